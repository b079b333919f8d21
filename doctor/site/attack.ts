import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ApiClient } from '../../common/api-client.ts';
import { Failure, UsageError } from '../../common/errors.ts';
import { createProgress, escapeControls, type Progress, print } from '../../common/terminal.ts';
import { harmless } from '../finding.ts';
import type { Check, Checks } from './attempts.ts';
import { ACCESS_LOG, accessLogCheck } from './checks/access-log.ts';
import { cacheChecks, deliveryChecks, frontChecks } from './checks/delivery.ts';
import { locationChecks } from './checks/locations.ts';
import { addressChecks, spoofedChecks } from './checks/spoofed.ts';
import { tokenChecks } from './checks/tokens.ts';
import { NoAnswer, sendRequest } from './http.ts';
import { endpointOf, findCanary } from './set-up.ts';
import {
  exitCode,
  formatReport,
  formatReportJson,
  leftOut,
  type Report,
  type Row,
} from './table.ts';
import { createDoctorApi, type TestedSite } from './tested-site.ts';

/** In the order of the report. */
export const CHECKS: Checks = {
  ...frontChecks,
  ...tokenChecks,
  ...locationChecks,
  ...spoofedChecks,
  ...cacheChecks,
  ...deliveryChecks,
  ...addressChecks,
};

/** If one of these fails, the file is public, and checks of tokens show nothing else. */
const CAUSES = ['cached-delivery', 'no-token'];
const OF_TOKENS = [
  ...Object.keys({ ...tokenChecks, ...spoofedChecks, ...cacheChecks, ...addressChecks }),
  'regex-location',
];

export interface DoctorSiteOptions {
  readonly path: string;
  readonly internal?: string;
  readonly folders: readonly string[];
  readonly extensions: readonly string[];
  readonly connect?: string;
  readonly accessLog?: string;
  readonly decisionTtl: number;
  /** The ids of the checks to run; absent: all. */
  readonly only?: readonly string[];
  readonly json?: true;
}

/** Requests to the site in one run; more is a bug in the doctor. */
const MAX_REQUESTS = 600;
const SET_UP_FAILED = 2;
const INTERRUPTED = 130;
const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** Attacks a site, prints what it saw, and returns the exit code. It always revokes its tokens. */
export async function attackSite(
  url: string,
  open: () => Promise<ApiClient>,
  options: DoctorSiteOptions,
): Promise<number> {
  const stopping = new AbortController();
  const stop = () => stopping.abort();
  for (const signal of SIGNALS) process.once(signal, stop);
  const progress = createProgress(process.stderr);
  try {
    const report = await attack(url, await open(), options, progress, stopping.signal);
    progress.end();
    await print(options.json ? formatReportJson(report) : formatReport(report));
    return exitCode(report.rows);
  } catch (error) {
    progress.end();
    if (stopping.signal.aborted) return INTERRUPTED;
    if (!(error instanceof Failure) || error instanceof UsageError) throw error;
    const lines = error.message.split('\n').map(harmless);
    process.stderr.write(`postern: ${lines.join('\n')}\n`);
    return SET_UP_FAILED;
  } finally {
    for (const signal of SIGNALS) process.removeListener(signal, stop);
  }
}

async function attack(
  url: string,
  client: ApiClient,
  { path, connect, accessLog, only, ...options }: DoctorSiteOptions,
  progress: Progress,
  signal: AbortSignal,
): Promise<Report> {
  const mark = `postern-doctor-${randomBytes(6).toString('hex')}`;
  const api = createDoctorApi(client, mark);
  const endpoint = endpointOf(url, connect);
  const began = Date.now();
  let requests = 0;
  const ask: TestedSite['ask'] = (request) => {
    signal.throwIfAborted();
    requests += 1;
    if (requests > MAX_REQUESTS) throw new Error(`more than ${MAX_REQUESTS} requests`);
    return sendRequest(endpoint, request, signal);
  };
  let doing = 'reading the canary';
  try {
    progress.show(doing);
    const log = accessLog === undefined ? {} : { [ACCESS_LOG]: await accessLogCheck(accessLog) };
    const all = selected({ ...CHECKS, ...log }, only);
    const site: TestedSite = {
      ...(await findCanary({ api, path, mark, endpoint, ask })),
      api,
      mark,
      ...options,
      ask,
      issue: (fields = {}) => api.issue({ ...('prefix' in fields ? {} : { path }), ...fields }),
      say: (what) => progress.show(`${doing}: ${what}`),
      pause: (milliseconds) => sleep(milliseconds, undefined, { signal }),
    };
    const rows: Row[] = [];
    for (const [id, check] of all) {
      const { title } = check;
      doing = `[${rows.length + 1}/${all.length}] ${title}`;
      progress.show(doing);
      const cause = rows.find((row) => row.verdict === 'failed' && CAUSES.includes(row.id));
      rows.push(
        cause !== undefined && OF_TOKENS.includes(id)
          ? { id, title, verdict: 'untested', saw: `fix ${cause.id} first` }
          : await rowOf(id, check, site),
      );
    }
    const seconds = (Date.now() - began) / 1_000;
    const unchecked = leftOut(rows, options.extensions, only);
    const { origin } = new URL(url);
    return { url: origin, canary: path, rows, not_checked: unchecked, requests, seconds };
  } finally {
    progress.show('revoking the tokens');
    await api.revokeAll();
  }
}

function selected(all: Checks, only: readonly string[] | undefined): (readonly [string, Check])[] {
  const unknown = only?.find((id) => !Object.hasOwn(all, id));
  if (unknown === undefined)
    return Object.entries(all).filter(([id]) => only?.includes(id) ?? true);
  if (unknown === ACCESS_LOG) {
    throw new UsageError(`--only: ${ACCESS_LOG} needs --access-log <file>`);
  }
  const known = Object.keys(all).join(', ');
  throw new UsageError(`--only: unknown check ${escapeControls(unknown)}; the checks are ${known}`);
}

const MAX_TEXT = 400;

function short(text: string): string {
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
}

async function rowOf(id: string, check: Check, site: TestedSite): Promise<Row> {
  const { title, why, fix } = check;
  try {
    const result = await check.run(site);
    return { id, title, why, fix, ...result, saw: short(harmless(result.saw)) };
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    return { id, title, verdict: 'untested', saw: short(harmless(`no answer: ${error.message}`)) };
  }
}
