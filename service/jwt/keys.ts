import {
  type CryptoKey,
  decodeJwt,
  exportJWK,
  importJWK,
  type JWK,
  type JWTHeaderParameters,
} from 'jose';
import { z } from 'zod';

const OWN_ALGORITHMS = ['EdDSA', 'ES256', 'HS256'] as const;

/** A key. It determines the algorithm, never a token. */
export interface Key {
  readonly kid: string;
  readonly alg: string;
  readonly verify: CryptoKey;
  /** Absent: this is only the public half. */
  readonly sign?: CryptoKey;
  /** Absent: this is a shared secret. */
  readonly publicJwk?: JWK;
}

/** A file of keys that cannot be used. The message says why. */
export class KeyError extends Error {
  override readonly name = 'KeyError';
}

const SHAPES: Readonly<Record<string, { kty: string; crv?: string }>> = {
  EdDSA: { kty: 'OKP', crv: 'Ed25519' },
  ES256: { kty: 'EC', crv: 'P-256' },
  RS256: { kty: 'RSA' },
  HS256: { kty: 'oct' },
};

const PRIVATE = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'] as const;

const keySet = z.object({
  keys: z.array(z.looseObject({ kid: z.string().min(1).max(256), alg: z.string() })).min(1),
});

/** Reads a JWKS file (RFC 7517). Each key must have a `kid` and an `alg`. @throws KeyError */
async function readKeys(text: string, algorithms: readonly string[]): Promise<Key[]> {
  const parsed = keySet.safeParse(parseJson(text));
  if (!parsed.success) {
    throw new KeyError('it must be a JWKS: {"keys": [ … ]}, each key with a kid and an alg');
  }
  const keys = await Promise.all(parsed.data.keys.map((jwk) => readKey(jwk as JWK, algorithms)));
  if (new Set(keys.map(({ kid }) => kid)).size < keys.length) {
    throw new KeyError('two of its keys have the same kid');
  }
  return keys;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function readKey(jwk: JWK, algorithms: readonly string[]): Promise<Key> {
  const { kid = '', alg = '' } = jwk;
  const shape = SHAPES[alg];
  // Quoted: the file may contain any text. The key itself is never shown.
  const name = `its key ${JSON.stringify(kid)}`;
  if (shape === undefined || !algorithms.includes(alg)) {
    throw new KeyError(`${name} must have an alg of ${algorithms.join(', ')}`);
  }
  if (jwk.kty !== shape.kty || (shape.crv !== undefined && jwk.crv !== shape.crv)) {
    throw new KeyError(`${name} is not a key for ${alg}`);
  }
  if (jwk.use !== undefined && jwk.use !== 'sig') {
    throw new KeyError(`${name} is not for signatures: its use must be sig`);
  }
  try {
    return await importKey(jwk, kid, alg);
  } catch (error) {
    if (error instanceof KeyError) throw error;
    throw new KeyError(`${name} cannot be read`, { cause: error });
  }
}

async function importKey(jwk: JWK, kid: string, alg: string): Promise<Key> {
  if (jwk.kty === 'oct') {
    const secret = (await importJWK(jwk, alg)) as Uint8Array;
    if (secret.length < 32)
      throw new KeyError(`its key ${JSON.stringify(kid)} is shorter than 32 bytes`);
    // Imported here, because jose would import raw bytes again for each token.
    const hmac = { name: 'HMAC', hash: 'SHA-256' };
    const key = await crypto.subtle.importKey('raw', secret, hmac, false, ['sign', 'verify']);
    return { kid, alg, sign: key, verify: key };
  }
  const half = Object.fromEntries(Object.entries(jwk).filter(([name]) => !isPrivate(name)));
  const verify = (await importJWK({ ...half, key_ops: ['verify'] }, alg, {
    extractable: true,
  })) as CryptoKey;
  const publicJwk = { ...(await exportJWK(verify)), kid, alg, use: 'sig' };
  if (jwk.d === undefined) return { kid, alg, verify, publicJwk };
  const { key_ops: _, ...whole } = jwk;
  return { kid, alg, verify, publicJwk, sign: (await importJWK(whole, alg)) as CryptoKey };
}

function isPrivate(name: string): boolean {
  return (PRIVATE as readonly string[]).includes(name);
}

/** The keys of another issuer, from a JWKS file. @throws KeyError */
export async function fileKeys(text: string, algorithms: readonly string[]): Promise<KeySource> {
  const keys = await readKeys(text, algorithms);
  return keySource((kid) => keys.find((key) => key.kid === kid));
}

export function keySource(find: (kid: string | undefined) => Key | undefined): KeySource {
  return async ({ kid }) => {
    const key = find(kid);
    return key && { key: key.verify, alg: key.alg };
  };
}

/** Postern's own keys: the first signs, all verify. They can be replaced at run time. */
export interface OwnKeys {
  /** The key that signs. */
  first(): Key;
  find(kid: string | undefined): Key | undefined;
  /** For other verifiers (RFC 7517), without shared secrets. */
  publicJwks(): { readonly keys: readonly JWK[] };
  /** Changes with each replacement. */
  generation(): number;
  /** Replaces the keys. Throws and keeps the old keys if the new ones are invalid. */
  replace(text: string): Promise<void>;
}

/** @throws KeyError */
export async function createOwnKeys(text: string): Promise<OwnKeys> {
  let keys = await read(text);
  let generation = 0;
  /** One at a time, so that the later of two files wins. */
  let before: Promise<unknown> = Promise.resolve();
  return {
    first: () => keys[0] as Key,
    find: (kid) => keys.find((key) => key.kid === kid),
    publicJwks: () => ({ keys: keys.flatMap(({ publicJwk }) => publicJwk ?? []) }),
    generation: () => generation,
    replace(next) {
      const done = before.then(async () => {
        keys = await read(next);
        generation += 1;
      });
      before = done.catch(() => {});
      return done;
    },
  };
}

async function read(text: string): Promise<Key[]> {
  const keys = await readKeys(text, OWN_ALGORITHMS);
  if (keys[0]?.sign === undefined) {
    throw new KeyError('its first key signs, so it must have its private half (d, or k)');
  }
  return keys;
}

/** The key that a token names, and the only algorithm of this key. */
export interface FoundKey {
  readonly key: CryptoKey;
  readonly alg: string;
}

/**
 * Finds an issuer's key; undefined if it has no such key. Rejects with `KeysUnavailable` if the keys
 * cannot be read.
 */
export type KeySource = (header: JWTHeaderParameters) => Promise<FoundKey | undefined>;

/** Claims of an unverified JWT, only to choose its keys and the time of the check, in milliseconds. */
export function unverifiedClaims(token: string): {
  readonly iss: string | undefined;
  readonly begins: number;
  readonly ends: number;
} {
  try {
    const { iss, iat, nbf, exp } = decodeJwt(token);
    const dates = [iat, nbf].filter((date) => typeof date === 'number' && date < 1e11);
    const ends = typeof exp === 'number' ? exp * 1000 : 0;
    return { iss, begins: Math.max(0, ...(dates as number[])) * 1000, ends };
  } catch {
    return { iss: undefined, begins: 0, ends: 0 };
  }
}
