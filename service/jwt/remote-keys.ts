import { createRemoteJWKSet, customFetch } from 'jose';
import { z } from 'zod';
import { KeysUnavailable } from '../domain/store.ts';
import type { KeySource } from './keys.ts';

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
 * asked again where a `kid` is unknown, and once they are old.
 */
export function remoteKeys({ uri, algorithms, now, onFailure }: RemoteKeysOptions): KeySource {
  const { origin, pathname } = new URL(uri);
  // Its query may hold a secret.
  const shown = origin + pathname;
  let nextAt = 0;
  let askedAt = 0;
  let reachable = false;
  let known = false;
  let refreshing: Promise<void> | undefined;

  async function ask(...request: Parameters<typeof fetch>): Promise<Response> {
    if (now() < nextAt) throw new Error('it was asked just now');
    askedAt = now();
    try {
      const text = await jwksText(await fetch(...request));
      known = true;
      reachable = true;
      nextAt = now() + COOL_DOWN_MS;
      return new Response(text);
    } catch (error) {
      reachable = false;
      nextAt = now() + FAILURE_COOL_DOWN_MS;
      onFailure?.(cause(error as Error));
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

  /**
   * Waited for, or the first to come after a quiet night could use what was withdrawn. What comes of it
   * is no concern of the token at hand: known keys serve on.
   */
  function refresh(): Promise<void> | undefined {
    if (known && now() - askedAt > REFRESH_MS) {
      refreshing ??= keys
        .reload()
        .catch(() => {})
        .finally(() => {
          refreshing = undefined;
        });
    }
    return refreshing;
  }

  return async (header) => {
    const { alg } = header;
    if (!algorithms.includes(alg)) return undefined;
    await refresh();
    try {
      return { key: await keys(header), alg };
    } catch (error) {
      // With no answer nothing is known of a key that is not among those we have.
      if (!reachable)
        throw new KeysUnavailable(`the keys at ${shown} cannot be had`, { cause: error });
      return undefined;
    }
  };
}

/** Of itself fetch says no more than that it failed. */
function cause(error: Error): Error {
  return error.cause instanceof Error ? error.cause : error;
}

/** A hundred times what the largest have. */
const MOST_BYTES = 1024 * 1024;

/** The key set that a `jwks_uri` answers with, as text. Throws where it is none. */
export async function jwksText(answer: Response): Promise<string> {
  const text = answer.status === 200 ? await textOf(answer) : undefined;
  await answer.body?.cancel().catch(() => {});
  if (text === undefined) throw new Error(`it answered ${answer.status}`);
  if (!isKeySet(text)) throw new Error('it answered with what is no JWKS');
  return text;
}

async function textOf({ body }: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body ?? []) {
    size += chunk.length;
    if (size > MOST_BYTES) throw new Error(`it answered with more than ${MOST_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

const keySet = z.object({ keys: z.array(z.object({})) });

function isKeySet(text: string): boolean {
  try {
    return keySet.safeParse(JSON.parse(text)).success;
  } catch {
    return false;
  }
}
