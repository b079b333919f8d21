import { createSecretKey, KeyObject } from 'node:crypto';
import {
  type CryptoKey,
  createLocalJWKSet,
  exportJWK,
  importJWK,
  type JWK,
  type JWTHeaderParameters,
} from 'jose';
import { z } from 'zod';
import { KeysUnavailable } from '../token/store.ts';

const OWN_ALGORITHMS = ['EdDSA', 'ES256', 'HS256'] as const;

/** A key. The key determines the algorithm, the token never does. */
export interface Key {
  readonly kid: string;
  readonly alg: string;
  readonly verify: CryptoKey;
  /** Absent: this is only the public key. */
  readonly sign?: KeyObject;
  /** Absent: this is a shared secret. */
  readonly publicJwk?: JWK;
}

const SHAPES: Readonly<Record<string, { kty: string; crv?: string }>> = {
  EdDSA: { kty: 'OKP', crv: 'Ed25519' },
  ES256: { kty: 'EC', crv: 'P-256' },
  RS256: { kty: 'RSA' },
  HS256: { kty: 'oct' },
};

const PRIVATE = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];

const keySet = z.object({
  keys: z.array(z.looseObject({ kid: z.string().min(1).max(256), alg: z.string() })).min(1),
});

/** Reads a JWKS file (RFC 7517), each key with a `kid` and an `alg`. @throws Error whose message says what is wrong */
async function readKeys(
  text: string,
  algorithms: readonly string[],
  publicOnly = false,
): Promise<Key[]> {
  const jwks = jwksIn(text);
  const keys = await Promise.all(jwks.map((jwk) => readKey(jwk, algorithms, publicOnly)));
  if (new Set(keys.map(({ kid }) => kid)).size < keys.length) {
    throw new Error('two of its keys have the same kid');
  }
  return keys;
}

function jwksIn(text: string): readonly JWK[] {
  try {
    return keySet.parse(JSON.parse(text)).keys as readonly JWK[];
  } catch {
    // The error is dropped: it may quote the file.
    throw new Error('it must be a JWKS: {"keys": [ … ]}, each key with a kid and an alg');
  }
}

async function readKey(jwk: JWK, algorithms: readonly string[], publicOnly: boolean): Promise<Key> {
  const { kid = '', alg = '' } = jwk;
  const shape = SHAPES[alg];
  // Quoted: the file may contain any text. The key itself is never shown.
  const error = (problem: string, options?: ErrorOptions) =>
    new Error(`its key ${JSON.stringify(kid)} ${problem}`, options);
  if (shape === undefined || !algorithms.includes(alg)) {
    throw error(`must have an alg of ${algorithms.join(', ')}`);
  }
  if (jwk.kty !== shape.kty || (shape.crv !== undefined && jwk.crv !== shape.crv)) {
    throw error(`is not a key for ${alg}`);
  }
  if (jwk.use !== undefined && jwk.use !== 'sig') {
    throw error('is not for signatures: its use must be sig');
  }
  if (publicOnly && PRIVATE.some((name) => name in jwk)) {
    throw error('has private members: write only its public half, see docs/reference/jwt.md');
  }
  const key = await importKey(jwk, kid, alg).catch((cause) => {
    throw error(`must be a valid JWK for ${alg} (RFC 7517)`, { cause });
  });
  if (key === undefined) throw error('is shorter than 32 bytes');
  return key;
}

/** Undefined: it is a secret that is too short. */
async function importKey(jwk: JWK, kid: string, alg: string): Promise<Key | undefined> {
  if (jwk.kty === 'oct') {
    const secret = (await importJWK(jwk, alg)) as Uint8Array;
    if (secret.length < 32) return undefined;
    // Imported here, because jose would import raw bytes again for each token.
    const hmac = { name: 'HMAC', hash: 'SHA-256' };
    const verify = await crypto.subtle.importKey('raw', secret, hmac, false, ['verify']);
    return { kid, alg, sign: createSecretKey(secret), verify };
  }
  const half = Object.fromEntries(Object.entries(jwk).filter(([name]) => !PRIVATE.includes(name)));
  const options = { extractable: true };
  const verify = await importJWK({ ...half, key_ops: ['verify'] }, alg, options);
  const publicJwk = { ...(await exportJWK(verify)), kid, alg, use: 'sig' };
  const pair = { kid, alg, verify: verify as CryptoKey, publicJwk };
  if (jwk.d === undefined) return pair;
  const { key_ops: _, ...whole } = jwk;
  const sign = (await importJWK(whole, alg, options)) as CryptoKey;
  return { ...pair, sign: KeyObject.from(sign) };
}

/** Finds an issuer's key, and its only algorithm. Rejects with `KeysUnavailable` if the keys cannot be read. */
export type KeySource = (
  header: JWTHeaderParameters,
) => Promise<Pick<Key, 'verify' | 'alg'> | undefined>;

/** The keys of another issuer, from a JWKS file without private members. Throws as `readKeys`. */
export async function fileKeys(text: string, algorithms: readonly string[]): Promise<KeySource> {
  const keys = await readKeys(text, algorithms, true);
  return async ({ kid }) => keys.find((key) => key.kid === kid);
}

/** Postern's own keys: the first signs, all verify. */
export interface OwnKeys {
  readonly first: Key & Required<Pick<Key, 'sign'>>;
  readonly find: KeySource;
  /** The keys for other verifiers (RFC 7517), without shared secrets. */
  readonly publicJwks: { readonly keys: readonly JWK[] };
}

/** Throws as `readKeys`. */
export async function createOwnKeys(text: string): Promise<OwnKeys> {
  const keys = await readKeys(text, OWN_ALGORITHMS);
  const [first] = keys;
  if (first?.sign === undefined) {
    throw new Error('its first key signs, so it must have its private part (d, or k)');
  }
  return {
    first: { ...first, sign: first.sign },
    find: async ({ kid }) => keys.find((key) => key.kid === kid),
    publicJwks: { keys: keys.flatMap(({ publicJwk }) => publicJwk ?? []) },
  };
}

type JwkSet = ReturnType<typeof createLocalJWKSet>;

/** nginx waits two seconds for the whole decision. */
const TIMEOUT_MS = 1000;

/** Minimum time before a request for an unknown `kid`, after a success and after a failure: a client can invent one. */
const COOL_DOWN_MS = 10_000;
const FAILURE_COOL_DOWN_MS = 5_000;

/**
 * Maximum age of the keys if the issuer answers, so that Postern drops withdrawn keys. After a failure, later requests
 * fetch the keys without waiting, unless Postern has not tried for a minute. With the five minutes of the cache in verify.ts,
 * a withdrawn key ends after 15 minutes.
 */
const REFRESH_MS = 540_000;
const LONGEST_PAUSE_MS = 60_000;

/** The keys that were fetched last, by their `jwks_uri`. A reload keeps them, in case the issuer is down. */
export type FetchedKeys = Map<string, JwkSet>;

/** Postern keeps known keys if it cannot fetch them again. It fetches them for an unknown `kid`, and when they are old. */
export function remoteKeys(
  uri: string,
  algorithms: readonly string[],
  fetched: FetchedKeys,
  now: () => number,
  onFailure: (error: Error) => void,
): KeySource {
  const { origin, pathname } = new URL(uri);
  // The query may contain a secret.
  const shown = origin + pathname;
  let known = fetched.get(uri);
  let failure: unknown;
  let answeredAt = 0;
  let asking: Promise<void> | undefined;

  function ask(): Promise<void> {
    asking ??= fetchKeys(uri)
      .then(
        (keys) => {
          known = keys;
          fetched.set(uri, keys);
          failure = undefined;
        },
        (error: Error) => {
          failure = error;
          onFailure(causeOf(error));
        },
      )
      .finally(() => {
        answeredAt = now();
        asking = undefined;
      });
    return asking;
  }

  /** Milliseconds since the last answer or failure, or infinite if the clock was set back. */
  const age = () => (now() < answeredAt ? Number.POSITIVE_INFINITY : now() - answeredAt);

  return async (header) => {
    const { alg } = header;
    if (!algorithms.includes(alg)) return undefined;
    const find = () => known?.(header).catch(() => undefined);
    // After hours without requests, the key of the first token may be withdrawn, so all requests wait for the response.
    if (known && age() > (failure === undefined ? REFRESH_MS : LONGEST_PAUSE_MS)) await ask();
    else if (known && failure !== undefined && age() >= FAILURE_COOL_DOWN_MS) void ask();
    let verify = await find();
    if (!verify && age() >= (failure === undefined ? COOL_DOWN_MS : FAILURE_COOL_DOWN_MS)) {
      await ask();
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
  const { status, body } = await fetch(uri, {
    headers: { Accept: 'application/json, application/jwk-set+json' },
    redirect: 'manual',
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (status !== 200) {
    await body?.cancel();
    throw new Error(`it answered with the status ${status}`);
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body ?? []) {
    size += chunk.length;
    if (size > MAX_BYTES) throw new Error(`it answered with more than ${MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  try {
    return createLocalJWKSet(JSON.parse(Buffer.concat(chunks).toString('utf8')));
  } catch {
    throw new Error('it answered with something other than a JWKS');
  }
}
