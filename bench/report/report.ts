import type { Results } from '../results.ts';
import { VARIANTS } from '../variants.ts';
import { downloadTable } from './download.ts';
import { growthTable } from './growth.ts';
import { issueTables } from './issue.ts';
import { costTable, serveTable } from './serve.ts';
import type { Table } from './table.ts';
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

function targetTable(all: readonly Target[]): Table {
  const lines = all.map((target) => {
    const { what, least, most, measured } = target;
    const bound = least === undefined ? `at most ${most}` : `at least ${least}`;
    return [what, bound, measured === undefined ? '–' : digits(measured), word(isReached(target))];
  });
  return [['target', 'must be', 'measured', ''], ...lines];
}

/** Only the first line of each reason: the rest is on stderr and in the JSON. */
function failedTable(failed: Results['failed']): Table {
  const lines = failed.map(({ title, reason }) => [title, reason.split('\n')[0] ?? '']);
  return [['failed', 'reason'], ...lines];
}

const digits = (value: number) => (value >= 10 ? value.toFixed(0) : value.toPrecision(2));

function word(reached: boolean | undefined): string {
  if (reached === undefined) return 'not measured';
  return reached ? 'reached' : 'NOT reached';
}
