import {
  type CryptoKey,
  decodeJwt,
  exportJWK,
  importJWK,
  type JWK,
  type JWTHeaderParameters,
} from 'jose';
import { z } from 'zod';

export const OWN_ALGORITHMS = ['EdDSA', 'ES256', 'HS256'] as const;
export const FOREIGN_ALGORITHMS = ['EdDSA', 'ES256', 'RS256'] as const;

/** A key that verifies. What it may be used with is the key's own word, never a token's. */
export interface Key {
  readonly kid: string;
  readonly alg: string;
  readonly verify: CryptoKey;
  /** Absent: it is only the public half. */
  readonly sign?: CryptoKey;
  /** Absent: it is a shared secret. */
  readonly publicJwk?: JWK;
}

/** A file of keys that cannot be used; the message says what is wrong and what would be right. */
export class KeyFault extends Error {
  override readonly name = 'KeyFault';
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

/**
 * Reads a JWKS (RFC 7517). Of its own makers only: each key has to say its `kid` and its `alg`.
 *
 * @throws KeyFault
 */
export async function readKeys(text: string, algorithms: readonly string[]): Promise<Key[]> {
  const parsed = keySet.safeParse(parseJson(text));
  if (!parsed.success) {
    throw new KeyFault('it must be a JWKS: {"keys": [ … ]}, each key with a kid and an alg');
  }
  const keys = await Promise.all(parsed.data.keys.map((jwk) => readKey(jwk as JWK, algorithms)));
  if (new Set(keys.map(({ kid }) => kid)).size < keys.length) {
    throw new KeyFault('two of its keys have the same kid');
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
  // Quoted, as it comes from a file that may hold anything; never the key itself.
  const name = `its key ${JSON.stringify(kid)}`;
  if (shape === undefined || !algorithms.includes(alg)) {
    throw new KeyFault(`${name} must have an alg of ${algorithms.join(', ')}`);
  }
  if (jwk.kty !== shape.kty || (shape.crv !== undefined && jwk.crv !== shape.crv)) {
    throw new KeyFault(`${name} is no key for ${alg}`);
  }
  if (jwk.use !== undefined && jwk.use !== 'sig') {
    throw new KeyFault(`${name} is not for signatures: its use must be sig`);
  }
  try {
    return await importKey(jwk, kid, alg);
  } catch (error) {
    if (error instanceof KeyFault) throw error;
    throw new KeyFault(`${name} cannot be read`, { cause: error });
  }
}

async function importKey(jwk: JWK, kid: string, alg: string): Promise<Key> {
  if (jwk.kty === 'oct') {
    const secret = (await importJWK(jwk, alg)) as Uint8Array;
    if (secret.length < 32)
      throw new KeyFault(`its key ${JSON.stringify(kid)} is shorter than 32 bytes`);
    // As bytes it would be made a key for each token anew.
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

/**
 * The keys of a JWKS file of another issuer.
 *
 * @throws KeyFault
 */
export async function fileKeys(text: string, algorithms: readonly string[]): Promise<KeySource> {
  const keys = await readKeys(text, algorithms);
  return async ({ kid }) => {
    const key = keys.find((one) => one.kid === kid);
    return key && { key: key.verify, alg: key.alg };
  };
}

/** Keys of our own: the first signs, all verify. They can be replaced while the program runs. */
export interface OwnKeys {
  /** The one that signs. */
  first(): Key;
  find(kid: string | undefined): Key | undefined;
  /** For whoever verifies elsewhere (RFC 7517); shared secrets are not among them. */
  publicJwks(): { readonly keys: readonly JWK[] };
  /** Changes with each replacement. */
  generation(): number;
  /** Takes the keys of another file; if they are at fault, throws and keeps those it has. */
  replace(text: string): Promise<void>;
}

/** @throws KeyFault */
export async function createOwnKeys(text: string): Promise<OwnKeys> {
  let keys = await read(text);
  let generation = 0;
  /** In turn: of two files the later counts, however long each takes. */
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
    throw new KeyFault('its first key signs, so it must have its private half (d, or k)');
  }
  return keys;
}

/** The key that a token says it was signed with, and the one algorithm that this key is for. */
export interface FoundKey {
  readonly key: CryptoKey;
  readonly alg: string;
}

/**
 * Where an issuer's keys are had; undefined if it has no such key.
 * Rejects with `KeysUnavailable` where that cannot be known.
 */
export type KeySource = (header: JWTHeaderParameters) => Promise<FoundKey | undefined>;

/** What a JWT says of itself: whose keys to try, and when it is good (milliseconds since the epoch). */
export function saidOf(token: string): {
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
