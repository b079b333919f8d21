import type { Measured } from '../load/measured.ts';
import type { Results } from '../results.ts';
import { VARIANTS } from '../variants.ts';
import type { Rounds } from '../workloads/rounds.ts';
import { downloadTable } from './download.ts';
import { issueTables } from './issue.ts';
import { figures, ratioOf, shown } from './rounds.ts';
import { CPU_HEAD, costTable, cpuCells, rateCells, serveTable } from './serve.ts';
import { type Table, thousands } from './table.ts';
import { isReached, type Target, targets } from './targets.ts';

/** All tables by name. A workload that was not run has none. */
export function report(results: Results): Record<string, Table> {
  const { serve, issue, download, downloadWhole, growth } = results;
  const of = (rounds: object) => VARIANTS.filter(({ id }) => id in rounds);
  const whole = Object.values(downloadWhole).flat()[0] ?? Object.values(download).flat()[0];
  const tables = {
    serve: serveTable(of(serve), serve),
    cost: costTable(of(serve), serve),
    ...issueTables(of(issue), issue),
    download: downloadTable(of(download), download, whole?.bytes ?? 0),
    downloadWhole: downloadTable(of(downloadWhole), downloadWhole, whole?.bytes ?? 0),
    growth: growthTable(growth),
    targets: targetTable(targets(results)),
    failed: failedTable(results.failed),
  };
  // Drop tables that have only a head.
  return Object.fromEntries(Object.entries(tables).filter(([, table]) => table.length > 1));
}

/** Requests per second by number of live tokens in Redis. */
function growthTable(rounds: Rounds<Measured>): Table {
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

function targetTable(all: readonly Target[]): Table {
  const lines = all.map((target) => {
    const { what, least, most, measured } = target;
    const bound = least === undefined ? `at most ${most}` : `at least ${least}`;
    return [what, bound, measured === undefined ? '–' : digits(measured), word(isReached(target))];
  });
  return [['target', 'must be', 'measured', ''], ...lines];
}

/** The first line of each reason: the rest is on stderr and in the JSON. */
function failedTable(failed: Results['failed']): Table {
  const lines = failed.map(({ title, reason }) => [title, reason.split('\n')[0] ?? '']);
  return [['failed', 'reason'], ...lines];
}

const digits = (value: number) => (value >= 10 ? value.toFixed(0) : value.toPrecision(2));

function word(reached: boolean | undefined): string {
  if (reached === undefined) return 'not measured';
  return reached ? 'reached' : 'NOT reached';
}
