import type { Measured } from '../load/measured.ts';
import type { Rounds } from '../workloads/rounds.ts';
import { figures, ratioOf, shown } from './rounds.ts';
import { CPU_HEAD, cpuCells, rateCells } from './serve.ts';
import { type Table, thousands } from './table.ts';

/** Requests per second by number of live tokens in Redis. */
export function growthTable(rounds: Rounds<Measured>): Table {
  const rate = (id: string) => figures(rounds, id, (each) => each.perSecond);
  const ids = Object.keys(rounds);
  const first = rate(ids[0] ?? '');
  const lines = ids.map((id) => [
    thousands(Number(id)),
    ...rateCells(rate(id)),
    shown(ratioOf(rate(id), first)),
    ...cpuCells(rounds[id] ?? []),
  ]);
  return [['live tokens', 'requests/s', 'min–max', '÷ first row', ...CPU_HEAD], ...lines];
}
