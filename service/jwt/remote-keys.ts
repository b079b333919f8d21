import { createLocalJWKSet } from 'jose';
import { KeysUnavailable } from '../token/store.ts';
import type { KeySource } from './keys.ts';

type JwkSet = ReturnType<typeof createLocalJWKSet>;

interface RemoteKeysOptions {
  readonly uri: string;
  readonly algorithms: readonly string[];
  readonly now: () => number;
  /** Called when the keys cannot be fetched. */
  readonly onFailure?: (error: Error) => void;
}

/** nginx waits two seconds for the whole decision. */
const TIMEOUT_MS = 1000;

/** Minimum time before a request for an unknown `kid`, after a success and after a failure: a client can invent one. */
const COOL_DOWN_MS = 10_000;
const FAILURE_COOL_DOWN_MS = 5_000;

/** Maximum age of the keys if the issuer answers, so that Postern drops withdrawn keys. */
const REFRESH_MS = 600_000;

/**
 * The keys of a `jwks_uri`. Postern keeps known keys if it cannot fetch them again. It fetches them for an unknown
 * `kid`, and when they are old.
 */
export function remoteKeys({ uri, algorithms, now, onFailure }: RemoteKeysOptions): KeySource {
  const { origin, pathname } = new URL(uri);
  // The query may contain a secret.
  const shown = origin + pathname;
  let known: JwkSet | undefined;
  let failure: unknown;
  let askedAt = 0;
  let coolDown = 0;
  let asking: Promise<void> | undefined;
  let refreshing: Promise<void> | undefined;

  async function ask(): Promise<void> {
    askedAt = now();
    coolDown = 0;
    try {
      known = await fetchKeys(uri);
      failure = undefined;
      coolDown = COOL_DOWN_MS;
    } catch (error) {
      failure = error;
      coolDown = FAILURE_COOL_DOWN_MS;
      onFailure?.(causeOf(error as Error));
    }
    asking = undefined;
  }

  /** Milliseconds since the last request, or infinite if the clock was set back. */
  const age = () => (now() < askedAt ? Number.POSITIVE_INFINITY : now() - askedAt);

  return async (header) => {
    const { alg } = header;
    if (!algorithms.includes(alg)) return undefined;
    const find = () => known?.(header).catch(() => undefined);
    // After hours without requests, the key of the first token may be withdrawn, so all requests wait for the response.
    if (known && age() > REFRESH_MS) {
      asking ??= ask();
      refreshing = asking;
    }
    await refreshing;
    let verify = await find();
    if (verify === undefined && age() >= coolDown) {
      asking ??= ask();
      await asking;
      verify = await find();
    }
    if (verify) return { verify, alg };
    if (failure === undefined) return undefined;
    // The issuer did not answer, so it may have this key.
    throw new KeysUnavailable(`the keys at ${shown} are not available`, { cause: failure });
  };
}

/** The message of fetch's own error is only "fetch failed". */
function causeOf(error: Error): Error {
  return error.cause instanceof Error ? error.cause : error;
}

/** A hundred times the size of the largest key sets. */
const MAX_BYTES = 1024 * 1024;

/** The keys in a `jwks_uri`'s response. Throws if it is not a key set. */
async function fetchKeys(uri: string): Promise<JwkSet> {
  const answer = await fetch(uri, {
    headers: { Accept: 'application/json, application/jwk-set+json' },
    redirect: 'manual',
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const text = answer.status === 200 ? await textOf(answer) : undefined;
  await answer.body?.cancel().catch(() => {});
  if (text === undefined) throw new Error(`it answered ${answer.status}`);
  try {
    return createLocalJWKSet(JSON.parse(text));
  } catch {
    throw new Error('it answered with something other than a JWKS');
  }
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
