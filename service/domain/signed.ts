import type { Grant } from './grant.ts';

/**
 * What the store has to say of a signed token: `required`, that it is there, and how it stands;
 * `never`, nothing; `optional`, what became of it since, of tokens that others sign.
 */
export type Recorded = 'required' | 'never' | 'optional';

/** A signed token that was verified. */
export interface Verified {
  readonly id: string;
  readonly grant: Grant;
  readonly recorded: Recorded;
}

/**
 * Verifies a JWT that says it is a download token; undefined if it is none, or not now.
 * Rejects with `StoreUnavailable` where the key that it needs cannot be had.
 */
export type Verify = (token: string) => Promise<Verified | undefined>;

/** Signs tokens of our own. */
export interface Signer {
  /** `iss`, of which their ids are made. */
  readonly issuer: string;
  sign(jti: string, grant: Grant, recorded: boolean): Promise<string>;
}
