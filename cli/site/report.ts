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

/** A table, with the reason and the fix for each fault. */
export function table({ url, canary, rows, requests, seconds }: Report): string {
  const width = Math.max(...rows.map(({ title }) => title.length));
  const lines = rows.flatMap(({ id, verdict, title, saw, why, fix }) => {
    const start = `${MARKS[verdict]} ${title.padEnd(width)}  `;
    if (verdict !== 'fault') return [start + (verdict === 'untested' ? `not tested: ${saw}` : saw)];
    return [`${start}${saw}  [${id}]`, `    why:  ${why}`, `    fix:  ${fix}`];
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

/** The same for programs. Only faults have `why` and `fix`. */
export function json({ rows, ...rest }: Report): string {
  const checks = rows.map(({ id, verdict, saw, why, fix }) =>
    verdict === 'fault' ? { id, verdict, saw, why, fix } : { id, verdict, saw },
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
  const cut = bare.length > MAX_SHOWN ? `${bare.slice(0, MAX_SHOWN)}…` : bare;
  return plain(cut);
}

const MAX_SHOWN = 400;
