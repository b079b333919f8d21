import { createRemoteJWKSet, customFetch } from 'jose';
import { StoreUnavailable } from '../domain/store.ts';
import type { KeySource } from './key-source.ts';

export interface RemoteKeysOptions {
  readonly uri: string;
  readonly algorithms: readonly string[];
  readonly now: () => number;
  /** Told when the keys cannot be had, and why. */
  readonly onFailure?: (error: Error) => void;
}

/** nginx waits two seconds for the whole decision. */
const TIMEOUT_MS = 1000;

/** After an answer, and after none, before an unknown `kid` asks again: anybody can make one up. */
const COOL_DOWN_MS = 10_000;
const FAILURE_COOL_DOWN_MS = 5_000;

/** By then keys that the issuer has withdrawn are gone, if it answers. */
const REFRESH_MS = 600_000;

/**
 * The keys of a `jwks_uri`. Those that are known serve on whether or not it can be reached; it is
 * asked again where a `kid` is unknown, and in the background once they are old.
 */
export function remoteKeys({ uri, algorithms, now, onFailure }: RemoteKeysOptions): KeySource {
  let nextAt = 0;
  let askedAt = 0;
  let reachable = false;

  async function ask(...request: Parameters<typeof fetch>): Promise<Response> {
    if (now() < nextAt) throw new Error('it was asked just now');
    askedAt = now();
    try {
      const answer = await fetch(...request);
      if (!answer.ok) throw new Error(`it answered ${answer.status}`);
      reachable = true;
      nextAt = now() + COOL_DOWN_MS;
      return answer;
    } catch (error) {
      reachable = false;
      nextAt = now() + FAILURE_COOL_DOWN_MS;
      onFailure?.(error as Error);
      throw error;
    }
  }

  const keys = createRemoteJWKSet(new URL(uri), {
    timeoutDuration: TIMEOUT_MS,
    // By our own clock, and after failures as well.
    cooldownDuration: 0,
    cacheMaxAge: Number.POSITIVE_INFINITY,
    [customFetch]: ask,
  });

  return async (header) => {
    const { alg } = header;
    if (!algorithms.includes(alg)) return undefined;
    const known = keys.jwks() !== undefined;
    if (known && now() - askedAt > REFRESH_MS) keys.reload().catch(() => {});
    try {
      return { key: await keys(header), alg };
    } catch (error) {
      // With no answer nothing is known of a key that is not among those we have.
      if (!reachable)
        throw new StoreUnavailable(`the keys at ${uri} cannot be had`, { cause: error });
      return undefined;
    }
  };
}
