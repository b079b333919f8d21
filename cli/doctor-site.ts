import { randomBytes } from 'node:crypto';
import type { Api as Service } from './api/ask.ts';
import { Failure, WrongUsage } from './failure.ts';
import { print } from './output.ts';
import { plain } from './plain.ts';
import { createProgress, type Progress } from './progress.ts';
import { ACCESS_LOG, accessLogCheck } from './site/checks/access-log.ts';
import { checks } from './site/checks.ts';
import type { Check } from './site/finding.ts';
import { placeOf } from './site/place.ts';
import { NoAnswer, send } from './site/raw-http.ts';
import { exitCode, harmless, json, type Report, type Row, table } from './site/report.ts';
import { type Api, createApi } from './site/service.ts';
import { learn } from './site/set-up.ts';
import type { Site } from './site/site.ts';

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
