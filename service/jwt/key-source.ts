import type { CryptoKey, JWTHeaderParameters } from 'jose';

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
