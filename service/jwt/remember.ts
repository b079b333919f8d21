import { createHash } from 'node:crypto';

/** Measured: 4 to 7 MB, and 31 MB where each token is almost as long as one may be. */
const MOST = 10_000;

/** Past this a key may have been withdrawn meanwhile. */
const LONGEST_MS = 300_000;

interface Remembered<T> {
  readonly value: T;
  readonly until: number;
}

/**
 * Results by the hash of what they came from, for a while, and the latest of them: a signature costs
 * more to verify than all the rest of a decision.
 */
export function createMemory<T>(now: () => number) {
  const results = new Map<string, Remembered<T>>();
  return {
    get(token: string): T | undefined {
      const key = keyOf(token);
      const found = results.get(key);
      if (found === undefined || found.until > now()) return found?.value;
      results.delete(key);
      return undefined;
    },
    /** `until`: milliseconds since the epoch. */
    set(token: string, value: T, until: number): void {
      const key = keyOf(token);
      // Requests that came together may each have verified it: it takes one place, the latest.
      results.delete(key);
      if (results.size >= MOST) results.delete(results.keys().next().value as string);
      results.set(key, { value, until: Math.min(until, now() + LONGEST_MS) });
    },
    clear: () => results.clear(),
  };
}

function keyOf(token: string): string {
  return createHash('sha256').update(token).digest('base64url');
}
