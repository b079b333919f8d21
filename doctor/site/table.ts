import { formatFinding } from '../finding.ts';
import type { CheckResult, Verdict } from './attempts.ts';

export interface Row extends CheckResult {
  readonly id: string;
  readonly title: string;
}

export interface Report {
  readonly url: string;
  readonly canary: string;
  readonly rows: readonly Row[];
  readonly not_checked: readonly string[];
  readonly requests: number;
  readonly seconds: number;
}

const MARKS: Readonly<Record<Verdict, string>> = {
  ok: '✓',
  failed: '✗',
  skipped: '–',
  untested: '–',
};

/** A table, with the reason and the fix for each failed check. */
export function formatReport({ url, canary, rows, ...rest }: Report): string {
  const { not_checked: unchecked, requests, seconds } = rest;
  const width = Math.max(...rows.map(({ title }) => title.length));
  const lines = rows.map(({ id, verdict, title, saw, ...texts }) => {
    const start = `${title.padEnd(width)}  `;
    if (verdict === 'failed') return formatFinding(id, start + saw, texts);
    return `${MARKS[verdict]} ${start}${verdict === 'untested' ? 'not tested: ' : ''}${saw}`;
  });
  const count = (verdict: Verdict) => rows.filter((row) => row.verdict === verdict).length;
  const sum = `${count('ok')} ✓, ${count('failed')} ✗, ${count('skipped') + count('untested')} –`;
  return [
    `${url}, with ${canary}`,
    '',
    ...lines,
    '',
    `${sum}; ${requests} requests in ${seconds.toFixed(1)} s. The tokens of this run are revoked.`,
    '',
    `not checked: ${unchecked.join('; ')}`,
    '',
  ].join('\n');
}

/** What this run did not check, and what no run can. */
export function leftOut(
  rows: readonly Row[],
  extensions: readonly string[],
  only: readonly string[] | undefined,
): readonly string[] {
  const open = rows.filter(({ verdict }) => verdict === 'skipped' || verdict === 'untested');
  return [
    ...open.map(({ title }) => title),
    ...(only === undefined ? [] : ['what --only leaves out']),
    `locations for other extensions than ${extensions.join(' ')} (--extensions)`,
    'second URLs of other files than the canary, symbolic links, early data and the error log: run `postern doctor --config` too',
  ];
}

/** The same for programs. Only failed checks have `why` and `fix`. */
export function formatReportJson({ rows, ...rest }: Report): string {
  const checks = rows.map(({ id, verdict, saw, why, fix }) =>
    verdict === 'failed' ? { id, verdict, saw, why, fix } : { id, verdict, saw },
  );
  return `${JSON.stringify({ ...rest, checks })}\n`;
}

/** 1: a check failed. 2: none failed, but one could not finish. */
export function exitCode(rows: readonly Row[]): 0 | 1 | 2 {
  if (rows.some(({ verdict }) => verdict === 'failed')) return 1;
  return rows.some(({ verdict }) => verdict === 'untested') ? 2 : 0;
}
