import { createRemoteJWKSet, customFetch } from 'jose';
import { z } from 'zod';
import { KeysUnavailable } from '../domain/store.ts';
import type { KeySource } from './keys.ts';

export interface RemoteKeysOptions {
  readonly uri: string;
  readonly algorithms: readonly string[];
  readonly now: () => number;
  /** Called when the keys cannot be fetched. */
  readonly onFailure?: (error: Error) => void;
}

/** nginx waits two seconds for the whole decision. */
const TIMEOUT_MS = 1000;

/** Before an unknown `kid` causes another request, after a success and after a failure: anyone can invent one. */
const COOL_DOWN_MS = 10_000;
const FAILURE_COOL_DOWN_MS = 5_000;

/** Maximum age of the keys if the issuer answers: by then, withdrawn keys are gone. */
const REFRESH_MS = 600_000;

/**
 * The keys of a `jwks_uri`. Known keys stay in use if it cannot be reached. It is asked again for an
 * unknown `kid`, and when the keys are old.
 */
export function remoteKeys({ uri, algorithms, now, onFailure }: RemoteKeysOptions): KeySource {
  const { origin, pathname } = new URL(uri);
  // The query may contain a secret.
  const shown = origin + pathname;
  let nextAt = 0;
  let askedAt = 0;
  let reachable = false;
  let known = false;
  let refreshing: Promise<void> | undefined;

  async function ask(...request: Parameters<typeof fetch>): Promise<Response> {
    if (now() < nextAt) throw new Error('the last request was too recent');
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
      onFailure?.(causeOf(error as Error));
      throw error;
    }
  }

  const keys = createRemoteJWKSet(new URL(uri), {
    timeoutDuration: TIMEOUT_MS,
    // `ask` does this by `now`, and also after failures.
    cooldownDuration: 0,
    cacheMaxAge: Number.POSITIVE_INFINITY,
    [customFetch]: ask,
  });

  /**
   * Awaited, because after hours without requests the first token could use a withdrawn key. A failure
   * is ignored: known keys stay in use.
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
      // Without a response, nothing is known about other keys.
      if (!reachable)
        throw new KeysUnavailable(`the keys at ${shown} are not available`, { cause: error });
      return undefined;
    }
  };
}

/** The message of fetch's own error is only "fetch failed". */
function causeOf(error: Error): Error {
  return error.cause instanceof Error ? error.cause : error;
}

/** A hundred times the size of the largest key sets. */
const MAX_BYTES = 1024 * 1024;

/** The text of a `jwks_uri`'s response. Throws if it is not a key set. */
async function jwksText(answer: Response): Promise<string> {
  const text = answer.status === 200 ? await textOf(answer) : undefined;
  await answer.body?.cancel().catch(() => {});
  if (text === undefined) throw new Error(`it answered ${answer.status}`);
  if (!isKeySet(text)) throw new Error('it answered with something other than a JWKS');
  return text;
}

async function textOf({ body }: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body ?? []) {
    size += chunk.length;
    if (size > MAX_BYTES) throw new Error(`it answered with more than ${MAX_BYTES} bytes`);
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
