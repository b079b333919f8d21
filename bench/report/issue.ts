import type { Variant } from '../backend.ts';
import type { Issued } from '../workloads/issue.ts';
import { BATCH } from '../workloads/issue.ts';
import type { Rounds } from '../workloads/rounds.ts';
import { figures, ratioOf, shown } from './rounds.ts';
import { CPU_HEAD, cpuCells, rateCells } from './serve.ts';
import type { Table } from './table.ts';

const HEAD = ['per second', 'min–max', '÷ Django', ...CPU_HEAD];

/** Tokens issued and used once, and tokens only issued. */
export function issueTables(
  variants: readonly Pick<Variant, 'id' | 'title'>[],
  rounds: Rounds<Issued>,
): Record<string, Table> {
  return {
    fresh: part(variants, rounds, 'issued and used once', (each) => each.fresh),
    single: part(variants, rounds, 'issued only', (each) => each.single),
    batch: part(variants, rounds, `issued in batches of ${BATCH}`, (each) => each.batch),
  };
}

function part(
  variants: readonly Pick<Variant, 'id' | 'title'>[],
  rounds: Rounds<Issued>,
  title: string,
  of: (each: Issued) => Issued['batch'],
): Table {
  const rate = (id: string) => figures(rounds, id, (each) => of(each)?.perSecond);
  const lines = variants
    .filter(({ id }) => rate(id).length > 0)
    .map((variant) => [
      variant.title,
      ...rateCells(rate(variant.id)),
      shown(ratioOf(rate(variant.id), rate('django'))),
      ...cpuCells((rounds[variant.id] ?? []).map(of).filter((each) => each !== undefined)),
    ]);
  return [[title, ...HEAD], ...lines];
}
