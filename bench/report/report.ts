import type { Results } from '../results.ts';
import { VARIANTS } from '../variants.ts';
import { align } from './align.ts';
import { downloadTable } from './download.ts';
import { growthTable } from './growth.ts';
import { issueTable } from './issue.ts';
import { costTable, serveTable } from './serve.ts';
import { isReached, type Target, targets } from './targets.ts';

/** All tables, for a terminal; a workload that was not run has none. */
export function report(results: Results, took: string, machine: Record<string, string>): string {
  const { serve, issue, download, downloadWhole, growth } = results;
  const of = (rounds: object) => VARIANTS.filter(({ id }) => id in rounds);
  const any = (rounds: object) => Object.keys(rounds).length > 0;
  const whole = Object.values(downloadWhole).flat()[0] ?? Object.values(download).flat()[0];
  const parts = [
    `One nginx worker; ${took}`,
    any(serve) && serveTable(of(serve), serve),
    any(serve) && costTable(of(serve), serve),
    any(issue) && issueTable(of(issue), issue),
    any(download) && downloadTable(of(download), download, whole?.bytes ?? 0),
    any(downloadWhole) && downloadTable(of(downloadWhole), downloadWhole, whole?.bytes ?? 0),
    any(growth) && growthTable(growth),
    targetTable(targets(results)),
    align(Object.entries(machine).map(([name, value]) => [name, value])),
  ];
  return `${parts.filter((part) => part !== false).join('\n\n')}\n`;
}

function targetTable(all: readonly Target[]): string {
  const lines = all.map((target) => {
    const { what, least, most, measured } = target;
    const bound = least === undefined ? `at most ${most}` : `at least ${least}`;
    return [what, bound, measured === undefined ? '–' : digits(measured), word(isReached(target))];
  });
  return align([['target', 'must be', 'measured', ''], ...lines]);
}

const digits = (value: number) => (value >= 10 ? value.toFixed(0) : value.toPrecision(2));

function word(reached: boolean | undefined): string {
  if (reached === undefined) return 'not measured';
  return reached ? 'reached' : 'NOT reached';
}
