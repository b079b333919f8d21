import type { Operation } from './history.ts';

/** Failures with less than this between them are one outage. */
const GAP_MS = 1000;

/** A revocation, or a request with a single-use token. Where replicas confirm, they confirm these. */
export function isConfirmed(operation: Operation): boolean {
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
