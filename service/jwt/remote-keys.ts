import { createRemoteJWKSet, customFetch } from 'jose';
import { KeysUnavailable } from '../domain/store.ts';
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

/** Far more than any key set has. */
const MAX_BYTES = 1_000_000;

/**
 * The keys of a `jwks_uri`. Those that are known serve on whether or not it can be reached. It is
 * asked again where a `kid` is unknown, and once the keys are old: behind the back of whoever comes
 * then, or, where nobody has come for long, before his token is verified.
 */
export function remoteKeys({ uri, algorithms, now, onFailure }: RemoteKeysOptions): KeySource {
  let nextAt = 0;
  let answeredAt = 0;
  let reachable = false;

  async function ask(...request: Parameters<typeof fetch>): Promise<Response> {
    if (now() < nextAt) throw new Error('it was asked just now');
    try {
      const answer = await bounded(await fetch(...request));
      reachable = true;
      answeredAt = now();
      nextAt = now() + COOL_DOWN_MS;
      return answer;
    } catch (error) {
      reachable = false;
      nextAt = now() + FAILURE_COOL_DOWN_MS;
      onFailure?.(reasonOf(error as Error));
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

  /** What comes of it is no concern of the token at hand: known keys serve on. */
  async function refresh(): Promise<void> {
    const age = now() - answeredAt;
    if (keys.jwks() === undefined || age < REFRESH_MS) return;
    const refreshed = keys.reload().catch(() => {});
    if (age > 2 * REFRESH_MS) await refreshed;
  }

  return async (header) => {
    const { alg } = header;
    if (!algorithms.includes(alg)) return undefined;
    await refresh();
    try {
      return { key: await keys(header), alg };
    } catch (error) {
      // With no answer nothing is known of a key that is not among those we have.
      if (!reachable || keys.jwks() === undefined) {
        throw new KeysUnavailable(`the keys at ${uri} cannot be had`, { cause: error });
      }
      return undefined;
    }
  };
}

/** The answer, if it is good and no longer than a key set may be. */
async function bounded(answer: Response): Promise<Response> {
  if (!answer.ok) throw new Error(`it answered ${answer.status}`);
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of answer.body ?? []) {
    length += chunk.length;
    if (length > MAX_BYTES) throw new Error(`it answered more than ${MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  return new Response(Buffer.concat(chunks), answer);
}

/** Of what fetch throws, the cause: its own message is always the same. */
function reasonOf(error: Error): Error {
  return error.cause instanceof Error ? error.cause : error;
}
