import type { Operation } from './checker.ts';
import type { Scenario } from './scenario.ts';

/** What one scenario gave. */
export interface Row {
  readonly topology: string;
  /** POSTERN_STORE_REPLICAS. */
  readonly replicas: number;
  readonly scenario: string;
  readonly times: number;
  /** The longest outage of look-ups, and of revocations and redemptions, in milliseconds. */
  readonly lookUpOutage: number;
  readonly acknowledgedOutage: number;
  readonly lostRevocations: number;
  readonly lateRevocations: number;
  readonly lostRedemptions: number;
  readonly lostTokens: number;
  readonly wronglyOpened: number;
  readonly forged: number;
  /** Responses with a status that no client expects. */
  readonly other: number;
  /** The memory of both instances, in bytes. */
  readonly memory: readonly [before: number, after: number];
}

/** Failures with less than this between them are one outage. */
export const GAP_MS = 1000;

/** A revocation, or a request with a single-use token. Where replicas acknowledge, they acknowledge these. */
export function isAcknowledged(operation: Operation): boolean {
  return operation.op === 'revoke' || (operation.op === 'open' && operation.single);
}

/** A request with another token. */
export function isLookUp(operation: Operation): boolean {
  return operation.op === 'open' && !operation.single;
}

/** The longest time, in milliseconds, in which requests got no answer again and again. */
export function longestOutage(history: readonly Operation[]): number {
  const failed = history.filter(({ outcome }) => outcome === 'unknown');
  failed.sort((a, b) => a.start - b.start);
  let longest = 0;
  let began = Number.NEGATIVE_INFINITY;
  let last = Number.NEGATIVE_INFINITY;
  for (const { start, end } of failed) {
    if (start > last + GAP_MS) began = start;
    last = Math.max(last, end);
    longest = Math.max(longest, last - began);
  }
  return longest;
}

/** Only against a hang: how long an outage takes on a busy machine is not asserted. */
const MAX_OUTAGE_MS = 60_000;
const MAX_GROWTH = 100 * 2 ** 20;

/** What in a row must not be, and is. */
export function problems(row: Row, { loses, isForGood }: Scenario): string[] {
  const lost = row.lostRevocations + row.lostRedemptions;
  const mayLose = row.replicas === 0 && loses !== undefined;
  const [before, after] = row.memory;
  const rules: ReadonlyArray<readonly [isBroken: boolean, problem: string]> = [
    [row.forged > 0, `${row.forged} tokens opened that nobody had issued, or another file`],
    [lost > 0 && !mayLose, `${lost} acknowledged revocations or redemptions are lost`],
    [row.wronglyOpened > 0 && !mayLose, `${row.wronglyOpened} requests were wrongly opened`],
    // The servers have lost some: a checker that finds none does not work.
    [lost === 0 && mayLose && loses === 'surely', 'the checker did not find what was lost'],
    [row.other > 0, `${row.other} responses had an unexpected status`],
    [!isForGood && row.lookUpOutage > MAX_OUTAGE_MS, `an outage of ${row.lookUpOutage} ms`],
    [after - before > MAX_GROWTH, `the memory grew from ${before} to ${after} bytes`],
  ];
  return rules.flatMap(([isBroken, problem]) => (isBroken ? [problem] : []));
}
