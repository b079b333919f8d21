import { generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';

export const ALGORITHMS = ['EdDSA', 'ES256', 'HS256'] as const;

export type Algorithm = (typeof ALGORITHMS)[number];

/** A key of a key file (RFC 7517), with its private part. */
export interface Jwk {
  readonly kty: string;
  readonly [member: string]: unknown;
}

export interface NewKey extends Jwk {
  readonly kid: string;
  readonly alg: Algorithm;
}

/** Makes a key with a random `kid` of 16 characters. */
export function newKey(alg: Algorithm): NewKey {
  const kid = randomBytes(12).toString('base64url');
  return { kid, alg, use: 'sig', ...MAKE[alg]() };
}

const MAKE: Readonly<Record<Algorithm, () => Jwk>> = {
  // RFC 8037: of Edwards' curves this one is what libraries have.
  EdDSA: () => exported(generateKeyPairSync('ed25519').privateKey),
  ES256: () => exported(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey),
  // RFC 7518, section 3.2: as long as the hash.
  HS256: () => ({ kty: 'oct', k: randomBytes(32).toString('base64url') }),
};

function exported(key: KeyObject): Jwk {
  return key.export({ format: 'jwk' }) as Jwk;
}
