import { writeFile } from 'node:fs/promises';

/** When a request was sent and when its response had arrived, in milliseconds of one clock. */
interface Times {
  readonly start: number;
  readonly end: number;
}

export interface Issue extends Times {
  readonly op: 'issue';
  readonly tokens: readonly string[];
  readonly file: string;
  /** Only one requester may open it. */
  readonly single: boolean;
  readonly outcome: 'done' | 'unknown';
}

export interface Open extends Times {
  readonly op: 'open';
  readonly token: string;
  readonly file: string;
  readonly requester: string;
  /** Whether the token is a single-use token. */
  readonly single: boolean;
  readonly outcome: 'opened' | 'denied' | 'unknown';
}

export interface Revoke extends Times {
  readonly op: 'revoke';
  readonly by: 'id' | 'token' | 'subject' | 'client';
  readonly tokens: readonly string[];
  /** `done` also for "no such token": then the client expects that the token opens nothing. */
  readonly outcome: 'done' | 'unknown';
}

/**
 * One request and its outcome. `unknown` is a response 503, another error, or no response: the operation
 * may have taken effect or not, and may still do so.
 */
export type Operation = Issue | Open | Revoke;

/** JSON lines, for a person who looks for the cause of a violation. */
export async function writeHistory(file: string, history: readonly Operation[]): Promise<void> {
  await writeFile(file, history.map((operation) => `${JSON.stringify(operation)}\n`).join(''));
}

/** What the history of one run says. Each token is listed once. */
export interface Verdict {
  /** Tokens that still opened at the end, after a revocation that was acknowledged. */
  readonly lostRevocations: readonly string[];
  /** Tokens that opened after such a revocation, and were denied later. */
  readonly lateRevocations: readonly string[];
  /** Single-use tokens that opened for a requester after they had opened for another one. */
  readonly lostRedemptions: readonly string[];
  /** Single-use tokens that opened for two requesters at the same time. */
  readonly shared: readonly string[];
  /** Tokens that opened before they were issued, or another file than their own. */
  readonly forged: readonly string[];
  /** Requests that should have been denied. */
  readonly wronglyOpened: readonly Open[];
  /** Tokens without limits that were issued and then denied, without a revocation. */
  readonly lostTokens: readonly string[];
}

/**
 * Compares what was acknowledged with later answers. It knows only the history: nothing of Postern, Redis
 * or the failure that was caused. Operations that overlap may have taken effect in any order, and an
 * operation with an unknown outcome at any time after its start, or never.
 */
export function check(history: readonly Operation[]): Verdict {
  const verdicts = [...byToken(history)].map(([token, own]) => ({ token, ...checkToken(own) }));
  const tokens = (has: (verdict: TokenVerdict) => boolean) =>
    verdicts.filter(has).map(({ token }) => token);
  return {
    lostRevocations: tokens(({ revoked, isOpen }) => revoked.length > 0 && isOpen),
    lateRevocations: tokens(({ revoked, isOpen }) => revoked.length > 0 && !isOpen),
    lostRedemptions: tokens(({ second }) => second.length > 0),
    shared: tokens(({ second, overlapping }) => second.length === 0 && overlapping.length > 0),
    forged: tokens(({ forged }) => forged.length > 0),
    wronglyOpened: verdicts.flatMap(({ revoked, second, overlapping, forged }) => [
      ...new Set([...revoked, ...second, ...overlapping, ...forged]),
    ]),
    lostTokens: tokens(({ isLost }) => isLost),
  };
}

interface OfToken {
  readonly issued: Issue[];
  readonly opened: Open[];
  readonly denied: Open[];
  readonly revocations: Revoke[];
}

function byToken(history: readonly Operation[]): Map<string, OfToken> {
  const all = new Map<string, OfToken>();
  const of = (token: string): OfToken => {
    const own = all.get(token) ?? { issued: [], opened: [], denied: [], revocations: [] };
    all.set(token, own);
    return own;
  };
  for (const operation of history) {
    if (operation.op === 'issue')
      for (const token of operation.tokens) of(token).issued.push(operation);
    if (operation.op === 'revoke') {
      for (const token of operation.tokens) of(token).revocations.push(operation);
    }
    if (operation.op === 'open' && operation.outcome === 'opened')
      of(operation.token).opened.push(operation);
    if (operation.op === 'open' && operation.outcome === 'denied')
      of(operation.token).denied.push(operation);
  }
  return all;
}

type TokenVerdict = ReturnType<typeof checkToken>;

function checkToken({ issued, opened, denied, revocations }: OfToken) {
  const revokedAt = earliest(revocations.filter(({ outcome }) => outcome === 'done'));
  const single = issued.some((issue) => issue.single);
  const before = (open: Open) =>
    opened.filter((other) => other.requester !== open.requester && other.end < open.start);
  const beside = (open: Open) =>
    opened.filter((other) => other.requester !== open.requester && overlap(other, open));
  const isForged = (open: Open) =>
    !issued.some(({ start, file }) => start < open.end && file === open.file);
  const firstRevocation = Math.min(...revocations.map(({ start }) => start));
  const issuedAt = earliest(issued.filter(({ outcome }) => outcome === 'done'));
  const latest = (opens: readonly Open[]) => Math.max(...opens.map(({ start }) => start));
  return {
    revoked: opened.filter(({ start }) => start > revokedAt),
    second: single ? opened.filter((open) => before(open).length > 0) : [],
    overlapping: single ? opened.filter((open) => beside(open).length > 0) : [],
    forged: opened.filter(isForged),
    isOpen: latest(opened) > latest(denied),
    isLost:
      !single &&
      denied.some((open) => {
        const isOwn = issued.some(({ file }) => file === open.file);
        return isOwn && open.start > issuedAt && open.end < firstRevocation;
      }),
  };
}

/** When the first of these had ended; infinity if there is none. */
function earliest(operations: ReadonlyArray<{ readonly end: number }>): number {
  return Math.min(...operations.map(({ end }) => end));
}

function overlap(a: Open, b: Open): boolean {
  return a.start <= b.end && b.start <= a.end;
}
