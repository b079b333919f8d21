import { randomBytes } from 'node:crypto';
import { withoutTokens } from '../../../service/domain/without-tokens.ts';
import type { Api as Service } from '../../api-client.ts';
import { Failure, WrongUsage } from '../../failure.ts';
import { createProgress, type Progress, plain, print } from '../../terminal.ts';
import { ACCESS_LOG, accessLogCheck } from './checks/access-log.ts';
import { checks } from './checks.ts';
import type { Check, Finding, Verdict } from './finding.ts';
import { NoAnswer, send } from './raw-http.ts';
import { learn, placeOf } from './set-up.ts';
import { type Api, createApi, type Site } from './site.ts';

export interface DoctorSiteOptions {
  readonly path: string;
  readonly internal?: string;
  readonly folders: readonly string[];
  readonly connect?: string;
  readonly accessLog?: string;
  readonly decisionTtl: number;
  /** The ids of the checks to run; absent: all. */
  readonly only?: readonly string[];
  readonly json?: true;
}

/** Requests to the site in one run; more is a bug in the doctor. */
const MAX_REQUESTS = 600;
const SET_UP_FAULT = 2;
const INTERRUPTED = 130;

/** Attacks a site, prints what it saw, and returns the exit code. Its tokens are revoked in any case. */
export async function attackSite(
  url: string,
  open: () => Promise<Service>,
  options: DoctorSiteOptions,
): Promise<number> {
  const stopping = new AbortController();
  const stop = () => stopping.abort();
  for (const signal of SIGNALS) process.once(signal, stop);
  const progress = createProgress(process.stderr);
  const mark = `postern-doctor-${randomBytes(6).toString('hex')}`;
  try {
    const api = createApi(await open(), mark);
    const report = await attack(url, options, { api, mark, progress, signal: stopping.signal });
    progress.end();
    await print(options.json ? json(report) : table(report));
    return exitCode(report.rows);
  } catch (error) {
    progress.end();
    if (stopping.signal.aborted) return INTERRUPTED;
    if (!(error instanceof Failure) || error instanceof WrongUsage) throw error;
    process.stderr.write(`postern: ${error.message}\n`);
    return SET_UP_FAULT;
  } finally {
    for (const signal of SIGNALS) process.removeListener(signal, stop);
  }
}

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

interface Run {
  readonly api: Api;
  readonly mark: string;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

async function attack(
  url: string,
  { path, connect, accessLog, json: _, ...options }: DoctorSiteOptions,
  { api, mark, progress, signal }: Run,
): Promise<Report> {
  const place = placeOf(url, connect);
  const began = Date.now();
  let requests = 0;
  const ask: Site['ask'] = (request) => {
    signal.throwIfAborted();
    requests += 1;
    if (requests > MAX_REQUESTS) throw new Error(`more than ${MAX_REQUESTS} requests`);
    return send(place, request, signal);
  };
  let doing = 'reading the canary';
  const say = (what: string) => progress.show(`${doing}: ${what}`);
  try {
    progress.show(doing);
    const log = accessLog === undefined ? [] : [await accessLogCheck(accessLog)];
    const all = chosen([...checks, ...log], options.only);
    const learnt = await learn({ api, path, mark, place, ask });
    const site: Site = {
      ...learnt,
      api,
      mark,
      internal: options.internal,
      folders: options.folders,
      decisionTtl: options.decisionTtl,
      ask,
      issue: (fields = {}) => api.issue({ ...('prefix' in fields ? {} : { path }), ...fields }),
      say,
      pause: (milliseconds) => pause(milliseconds, signal),
    };
    const rows: Row[] = [];
    for (const [index, check] of all.entries()) {
      doing = `[${index + 1}/${all.length}] ${check.title}`;
      progress.show(doing);
      rows.push(await rowOf(check, site));
    }
    const seconds = (Date.now() - began) / 1_000;
    return { url: new URL(url).origin, canary: path, rows, requests, seconds };
  } finally {
    progress.show('revoking the tokens');
    await api.revokeAll();
  }
}

/** @throws WrongUsage */
function chosen(all: readonly Check[], only: readonly string[] | undefined): readonly Check[] {
  const ids = all.map(({ id }) => id);
  const unknown = only?.find((id) => !ids.includes(id));
  if (unknown === undefined) return all.filter(({ id }) => only?.includes(id) ?? true);
  if (unknown === ACCESS_LOG)
    throw new WrongUsage(`--only: ${ACCESS_LOG} needs --access-log <file>`);
  throw new WrongUsage(`--only: unknown check ${plain(unknown)}; the checks are ${ids.join(', ')}`);
}

async function rowOf(check: Check, site: Site): Promise<Row> {
  const { id, title, why, fix } = check;
  try {
    const finding = await check.run(site);
    return { id, title, why, fix, ...finding, saw: harmless(finding.saw) };
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    return { id, title, verdict: 'untested', saw: harmless(`no answer: ${error.message}`) };
  }
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve();
    }, milliseconds);
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
}

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
