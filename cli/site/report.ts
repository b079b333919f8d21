import { withoutTokens } from '../../service/domain/without-tokens.ts';
import { plain } from '../plain.ts';
import type { Finding, Verdict } from './finding.ts';

export interface Row extends Finding {
  readonly id: string;
  readonly title: string;
}

export interface Report {
  readonly url: string;
  readonly canary: string;
  readonly rows: readonly Row[];
  readonly requests: number;
  readonly seconds: number;
}

const MARKS: Readonly<Record<Verdict, string>> = {
  ok: '✓',
  fault: '✗',
  skipped: '–',
  untested: '–',
};

/** As a table, and for each fault why it matters and what mends it. */
export function table({ url, canary, rows, requests, seconds }: Report): string {
  const width = Math.max(...rows.map(({ title }) => title.length));
  const lines = rows.flatMap(({ id, verdict, title, saw, why, mend }) => {
    const start = `${MARKS[verdict]} ${title.padEnd(width)}  `;
    if (verdict !== 'fault') return [start + (verdict === 'untested' ? `not tested: ${saw}` : saw)];
    return [`${start}${saw}  [${id}]`, `    why:  ${why}`, `    mend: ${mend}`];
  });
  const count = (verdict: Verdict) => rows.filter((row) => row.verdict === verdict).length;
  const sum = `${count('ok')} ✓, ${count('fault')} ✗, ${count('skipped') + count('untested')} –`;
  return [
    `${url}, with ${canary}`,
    '',
    ...lines,
    '',
    `${sum}; ${requests} requests in ${seconds.toFixed(1)} s. The tokens of this run are revoked.`,
    '',
  ].join('\n');
}

/** The same for programs. `why` and `mend` are of faults. */
export function json({ rows, ...rest }: Report): string {
  const checks = rows.map(({ id, verdict, saw, why, mend }) =>
    verdict === 'fault' ? { id, verdict, saw, why, mend } : { id, verdict, saw },
  );
  return `${JSON.stringify({ ...rest, checks })}\n`;
}

/** 1: a fault. 2: none, but something that could not be tested. */
export function exitCode(rows: readonly Row[]): 0 | 1 | 2 {
  if (rows.some(({ verdict }) => verdict === 'fault')) return 1;
  return rows.some(({ verdict }) => verdict === 'untested') ? 2 : 0;
}

/** A text from the site, without tokens and without characters that control a terminal. */
export function harmless(text: string): string {
  const bare = withoutTokens(text);
  const cut = bare.length > MOST_SHOWN ? `${bare.slice(0, MOST_SHOWN)}…` : bare;
  return plain(cut);
}

const MOST_SHOWN = 400;
