import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ApiClient } from '../../common/api-client.ts';
import { Failure, UsageError } from '../../common/errors.ts';
import { escapeControls, print } from '../../common/terminal.ts';
import { escaped, formatFinding, reportLine } from '../finding.ts';
import { type CheckResult, untested, type Verdict } from './attempts.ts';
import { cacheChecks, deliveryChecks, frontChecks } from './checks/delivery.ts';
import { locationChecks } from './checks/locations.ts';
import { addressChecks, spoofedChecks } from './checks/spoofed.ts';
import { tokenChecks } from './checks/tokens.ts';
import { endpointOf, NoAnswer, sendRequest } from './http.ts';
import { findCanary } from './set-up.ts';
import {
  type Check,
  type Checks,
  createDoctorApi,
  createTestedSite,
  type DoctorSiteOptions,
  type TestedSite,
} from './tested-site.ts';

/** The checks in the order of the report. */
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

const FAILED = 1;
/** The doctor returns this also if no check failed, but one could not finish. */
const UNFINISHED = 2;
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
  try {
    const report = await attack(url, await open(), options, stopping.signal);
    progress();
    await print(options.json ? formatReportJson(report) : formatReport(report));
    const verdicts = report.rows.map(({ verdict }) => verdict);
    if (verdicts.includes('failed')) return FAILED;
    return verdicts.includes('untested') ? UNFINISHED : 0;
  } catch (error) {
    progress();
    if (stopping.signal.aborted) return INTERRUPTED;
    if (!(error instanceof Failure) || error instanceof UsageError) throw error;
    const lines = error.message.split('\n').map(escaped);
    process.stderr.write(`postern: ${lines.join('\n')}\n`);
    return UNFINISHED;
  } finally {
    for (const signal of SIGNALS) process.removeListener(signal, stop);
  }
}

/** Shows a text on a terminal, in one line that is rewritten; without a text, clears the line. */
function progress(text = ''): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
}

async function attack(
  url: string,
  client: ApiClient,
  options: DoctorSiteOptions,
  signal: AbortSignal,
) {
  const { path, connect, only } = options;
  const mark = `postern-doctor-${randomBytes(6).toString('hex')}`;
  const endpoint = endpointOf(url, connect);
  const api = createDoctorApi(client, mark, endpoint.name);
  const began = Date.now();
  let requests = 0;
  const ask: TestedSite['ask'] = (request) => {
    signal.throwIfAborted();
    requests += 1;
    return sendRequest(endpoint, request, signal);
  };
  let doing = 'reading the canary';
  try {
    progress(doing);
    const all = selected(only);
    const site = createTestedSite({
      // First: the options of the command also have an `api`, the URL.
      ...options,
      ...(await findCanary(path, endpoint, { api, mark, ask })),
      api,
      mark,
      ask,
      say: (what) => progress(`${doing}: ${what}`),
      pause: (milliseconds) => sleep(milliseconds, undefined, { signal }),
    });
    const rows: Row[] = [];
    for (const [id, check] of all) {
      const { title } = check;
      doing = `[${rows.length + 1}/${all.length}] ${title}`;
      progress(doing);
      const cause = rows.find((row) => row.verdict === 'failed' && CAUSES.includes(row.id));
      rows.push(
        cause !== undefined && OF_TOKENS.includes(id)
          ? { id, title, verdict: 'untested', saw: `fix ${cause.id} first` }
          : await rowOf(id, check, site),
      );
    }
    const seconds = (Date.now() - began) / 1_000;
    const unchecked = leftOut(rows, options);
    const report = { url: new URL(url).origin, canary: path, not_checked: unchecked };
    return { ...report, requests, seconds, rows };
  } finally {
    progress('revoking the tokens');
    await api.revokeAll();
  }
}

function selected(only: readonly string[] = Object.keys(CHECKS)): (readonly [string, Check])[] {
  const unknown = only.find((id) => !Object.hasOwn(CHECKS, id));
  if (unknown === undefined) return Object.entries(CHECKS).filter(([id]) => only.includes(id));
  const known = Object.keys(CHECKS).join(', ');
  throw new UsageError(`--only: unknown check ${escapeControls(unknown)}; the checks are ${known}`);
}

async function rowOf(id: string, check: Check, site: TestedSite): Promise<Row> {
  const { title, why, fix } = check;
  const result = await check.run(site).catch((error: unknown) => {
    if (!(error instanceof NoAnswer)) throw error;
    return untested(`no answer: ${error.message}`);
  });
  return { id, title, why, fix, ...result, saw: escaped(result.saw) };
}

interface Row extends CheckResult {
  readonly id: string;
  readonly title: string;
}

type Report = Awaited<ReturnType<typeof attack>>;

/** A table, with the reason and the fix for each failed check. */
function formatReport({ url, canary, rows, ...rest }: Report): string {
  const { not_checked: unchecked, requests, seconds } = rest;
  const width = Math.max(...rows.map(({ title }) => title.length));
  const lines = rows.map(({ id, verdict, title, saw, ...texts }) => {
    const start = `${title.padEnd(width)}  `;
    if (verdict === 'failed') return formatFinding(id, start + saw, texts);
    return `${verdict === 'ok' ? '✓' : '–'} ${start}${verdict === 'untested' ? 'not tested: ' : ''}${saw}`;
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
function leftOut(rows: readonly Row[], { extensions, only }: DoctorSiteOptions) {
  const open = rows.filter(({ verdict }) => verdict === 'skipped' || verdict === 'untested');
  return [
    ...open.map(({ title }) => title),
    ...(only === undefined ? [] : ['what --only leaves out']),
    `locations for other extensions than ${extensions.join(' ')} (--extensions)`,
    'second URLs of other files than the canary, symbolic links, early data and the logs: run `postern doctor --config` too',
  ];
}

/** The same for programs. Only failed checks have `why` and `fix`. */
function formatReportJson({ rows, ...rest }: Report): string {
  const checks = rows.map(({ id, verdict, saw, why, fix }) =>
    verdict === 'failed' ? { id, verdict, saw, why, fix } : { id, verdict, saw },
  );
  return reportLine({ ...rest, checks });
}
