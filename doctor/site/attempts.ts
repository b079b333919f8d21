import { headerOf, NoAnswer, type Request, type SiteResponse } from './http.ts';
import type { TestedSite } from './tested-site.ts';

/**
 * `ok` and `failed`: the check ran. `skipped`: not requested, or this site lacks what the check needs.
 * `untested`: the check could not finish, so the result proves nothing.
 */
export type Verdict = 'ok' | 'failed' | 'skipped' | 'untested';

export interface CheckResult {
  readonly verdict: Verdict;
  /** The result for a person, without tokens. */
  readonly saw: string;
  /** Replaces the text of the check, if a more specific one is known. */
  readonly why?: string;
  readonly fix?: string;
}

/** One line of the report. */
export interface Check {
  readonly title: string;
  /** What an attacker can do. */
  readonly why: string;
  /** The directive that fixes it, or what to change. */
  readonly fix: string;
  run(site: TestedSite): Promise<CheckResult>;
}

/** By their ids, which scripts use. */
export type Checks = Readonly<Record<string, Check>>;

export const ok = (saw: string): CheckResult => ({ verdict: 'ok', saw });
export const failed = (saw: string, more: { why?: string; fix?: string } = {}): CheckResult => ({
  verdict: 'failed',
  saw,
  ...more,
});
export const skipped = (saw: string): CheckResult => ({ verdict: 'skipped', saw });
export const untested = (saw: string): CheckResult => ({ verdict: 'untested', saw });

/** Requests that must not succeed, by their names in the report. */
export type Attempts = Readonly<Record<string, Request>>;

export type Expectation = (answer: SiteResponse, site: TestedSite) => boolean;

export const NO_FOLDER_TOKENS = 'the key may not issue tokens for folders';

const MAX_SIMULTANEOUS = 4;

/** Attempts that a line of the report names for one response. */
const MAX_NAMED = 8;

/** The site or Postern is busy: the response proves nothing. */
const BUSY = [429, 503];

/** Whether the response contains a part of the canary, long enough to exclude chance. */
export function hasCanary({ body }: SiteResponse, { canary }: TestedSite): boolean {
  return body.includes(canary.body.subarray(0, 16)) || body.includes(canary.body.subarray(-16));
}

/** Denied, by nginx or by the gate. */
export const isDenial: Expectation = (answer, site) =>
  [400, 401, 403].includes(answer.status) && !hasCanary(answer, site);

/** Denied by the gate itself: the response to a `deny all` of the site looks different. */
export const isGateDenial: Expectation = (answer, site) =>
  isDenial(answer, site) &&
  (/realm="?postern/.test(headerOf(answer, 'www-authenticate') ?? '') ||
    /"code":\s*"[a-z_]+"/.test(answer.body.toString('latin1')));

/** Any response except the file or a part of it. */
export const isNotTheFile: Expectation = (answer, site) =>
  !hasCanary(answer, site) && answer.status !== 206;

/** Sends the requests, a few at a time, and compares each response with what is expected. */
export async function runAttempts(
  site: TestedSite,
  attempts: Attempts,
  isExpected = isDenial,
): Promise<CheckResult> {
  const names = Object.keys(attempts);
  const answers = await inTurns(Object.values(attempts), (request) => answerTo(site, request));
  const rows = answers.map((answer, at) => ({
    answer,
    name: names[at] ?? '',
    seen: describe(answer, site),
  }));
  const unknown = rows.filter(({ answer }) => isUnknown(answer));
  const bad = rows.filter(({ answer }) => !isUnknown(answer) && !isExpected(answer, site));
  if (bad.length > 0) return failed(grouped(bad));
  if (unknown.length > 0) return untested(grouped(unknown));
  const statuses = [...new Set(rows.map(({ seen }) => seen))].sort().join(', ');
  return ok(rows.length > 1 ? `${statuses} (${rows.length} requests)` : statuses);
}

/** The response, or the reason why there is none. */
export async function answerTo(site: TestedSite, request: Request): Promise<SiteResponse | string> {
  try {
    return await site.ask(request);
  } catch (error) {
    if (error instanceof NoAnswer) return `no answer: ${error.message}`;
    throw error;
  }
}

export function isUnknown(answer: SiteResponse | string): answer is string {
  return typeof answer === 'string' || BUSY.includes(answer.status);
}

export function describe(answer: SiteResponse | string, site: TestedSite): string {
  if (typeof answer === 'string') return answer;
  return `${answer.status}${hasCanary(answer, site) ? ' and the file' : ''}`;
}

/** Runs a few at a time. The results are in the order of the inputs. */
async function inTurns<T, R>(all: readonly T[], work: (one: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const left = all.entries();
  const worker = async () => {
    for (const [at, one] of left) results[at] = await work(one);
  };
  await Promise.all(Array.from({ length: MAX_SIMULTANEOUS }, worker));
  return results;
}

/** The names of the attempts, by what was seen. */
function grouped(rows: readonly { readonly seen: string; readonly name: string }[]): string {
  return [...new Set(rows.map(({ seen }) => seen))]
    .map((seen) => {
      const names = rows.filter((row) => row.seen === seen).map(({ name }) => name);
      const more = names.length > MAX_NAMED ? ` and ${names.length - MAX_NAMED} more` : '';
      return `${seen}: ${names.slice(0, MAX_NAMED).join(', ')}${more}`;
    })
    .join('; ');
}
