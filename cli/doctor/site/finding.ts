import { type Answer, type Heard, headerOf, NoAnswer, type Request } from './raw-http.ts';
import type { Site } from './site.ts';

/**
 * `ok` and `fault`: the check ran. `skipped`: not requested, or this site lacks what the check needs.
 * `untested`: the check could not finish, so the result proves nothing.
 */
export type Verdict = 'ok' | 'fault' | 'skipped' | 'untested';

export interface Finding {
  readonly verdict: Verdict;
  /** For a person; never a token. */
  readonly saw: string;
  /** Replaces the text of the check, if a more specific one is known. */
  readonly why?: string;
  readonly fix?: string;
}

/** One line of the report. */
export interface Check {
  /** For scripts; stable. */
  readonly id: string;
  readonly title: string;
  /** What an attacker can do. */
  readonly why: string;
  /** The directive that fixes it, or what to change. */
  readonly fix: string;
  run(site: Site): Promise<Finding>;
}

export const ok = (saw: string): Finding => ({ verdict: 'ok', saw });
export const fault = (saw: string, more: { why?: string; fix?: string } = {}): Finding => ({
  verdict: 'fault',
  saw,
  ...more,
});
export const skipped = (saw: string): Finding => ({ verdict: 'skipped', saw });
export const untested = (saw: string): Finding => ({ verdict: 'untested', saw });

/** A request, under the name that the report has for it. */
export interface Attempt {
  readonly name: string;
  readonly request: Request;
}

/** Whether an answer is as it should be. */
export type Rule = (answer: Heard, site: Site) => boolean;

const AT_ONCE = 4;

/** Of those that went the same way. */
const MAX_NAMED = 8;

/** Says that the site is busy, or that Postern is: neither open nor shut. */
const BUSY = [429, 503];

/** Whether any part of the canary came back that could not be there by chance. */
export function hasCanary({ body }: Answer, { canary }: Site): boolean {
  return body.includes(canary.body.subarray(0, 16)) || body.includes(canary.body.subarray(-16));
}

/** Denied, by nginx or by the gate. */
export const isDenial: Rule = (answer, site) =>
  [400, 401, 403].includes(answer.status) && !hasCanary(answer, site);

/** Denied by the gate, which was asked: a site's own `deny all` does not look so. */
export const isGates: Rule = (answer, site) =>
  isDenial(answer, site) &&
  (/realm="?postern/.test(headerOf(answer, 'www-authenticate') ?? '') ||
    /"code":\s*"[a-z_]+"/.test(answer.body.toString('latin1')));

/** Whatever it is, it is not the file. */
export const isNotTheFile: Rule = (answer, site) =>
  !hasCanary(answer, site) && answer.status !== 206;

/** Makes the requests, a few at once, and holds each answer to the rule. */
export async function holds(
  site: Site,
  attempts: readonly Attempt[],
  rule: Rule,
): Promise<Finding> {
  const good: string[] = [];
  const bad = new Map<string, string[]>();
  const unknown = new Map<string, string[]>();
  const answers = await inTurns(attempts, ({ request }) => answerTo(site, request));
  for (const [index, { name }] of attempts.entries()) {
    const answer = answers[index] ?? 'no answer';
    const seen = typeof answer === 'string' ? answer : describe(answer, site);
    if (typeof answer === 'string' || isUnknown(answer)) add(unknown, seen, name);
    else if (rule(answer, site)) good.push(seen);
    else add(bad, seen, name);
  }
  if (bad.size > 0) return fault(grouped(bad));
  if (unknown.size > 0) return untested(grouped(unknown));
  return ok(summary(good));
}

/** The answer, or what there was instead of one. */
export async function answerTo(site: Site, request: Request): Promise<Heard | string> {
  try {
    return await site.ask(request);
  } catch (error) {
    if (error instanceof NoAnswer) return `no answer: ${error.message}`;
    throw error;
  }
}

export function isUnknown(answer: Heard | string): boolean {
  return typeof answer === 'string' || BUSY.includes(answer.status);
}

export function describe(answer: Answer, site: Site): string {
  return `${answer.status}${hasCanary(answer, site) ? ' and the file' : ''}`;
}

/** A few at once; the results in the order of what they are of. */
async function inTurns<T, R>(all: readonly T[], work: (one: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const left = [...all.entries()];
  const worker = async () => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      results[next[0]] = await work(next[1]);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return results;
}

function add(to: Map<string, string[]>, seen: string, name: string): void {
  to.set(seen, [...(to.get(seen) ?? []), name]);
}

function grouped(all: ReadonlyMap<string, readonly string[]>): string {
  return [...all].map(([seen, names]) => `${seen}: ${someOf(names)}`).join('; ');
}

function someOf(names: readonly string[]): string {
  const first = names.slice(0, MAX_NAMED).join(', ');
  return names.length > MAX_NAMED ? `${first} and ${names.length - MAX_NAMED} more` : first;
}

function summary(seen: readonly string[]): string {
  const statuses = [...new Set(seen)].sort().join(', ');
  return seen.length > 1 ? `${statuses} (${seen.length} requests)` : statuses;
}
