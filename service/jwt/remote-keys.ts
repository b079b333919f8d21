import { createRemoteJWKSet, customFetch, errors } from 'jose';
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

/** After an answer or a failure, before anybody's unknown `kid` asks again. */
const COOL_DOWN_MS = 10_000;
const FAILURE_COOL_DOWN_MS = 5_000;

/** By then keys that the issuer has withdrawn are gone, if it answers. */
const REFRESH_MS = 600_000;

/**
 * The keys of a `jwks_uri`. Those that are known serve on whether or not it can be reached; it is
 * asked again where a `kid` is unknown, and in the background once they are old.
 */
export function remoteKeys({ uri, algorithms, now, onFailure }: RemoteKeysOptions): KeySource {
  let failedAt = Number.NEGATIVE_INFINITY;
  let askedAt = Number.NEGATIVE_INFINITY;
  let reachable = true;
  const keys = createRemoteJWKSet(new URL(uri), {
    timeoutDuration: TIMEOUT_MS,
    cooldownDuration: COOL_DOWN_MS,
    cacheMaxAge: Number.POSITIVE_INFINITY,
    [customFetch]: async (url, options) => {
      if (now() - failedAt < FAILURE_COOL_DOWN_MS) throw new Error('it did not answer just now');
      askedAt = now();
      try {
        const answer = await fetch(url, options);
        reachable = answer.ok;
        if (!answer.ok) throw new Error(`it answered ${answer.status}`);
        return answer;
      } catch (error) {
        failedAt = now();
        reachable = false;
        onFailure?.(error as Error);
        throw error;
      }
    },
  });

  return async (header) => {
    const { alg } = header;
    if (!algorithms.includes(alg)) return undefined;
    if (now() - askedAt > REFRESH_MS && keys.jwks() !== undefined) keys.reload().catch(() => {});
    try {
      return { key: await keys(header), alg };
    } catch (error) {
      // With no answer nothing is known of a key that is not among those we have.
      if (!reachable || keys.jwks() === undefined) {
        throw new StoreUnavailable(`the keys at ${uri} cannot be had`, { cause: error });
      }
      if (error instanceof errors.JOSEError) return undefined;
      throw error;
    }
  };
}
