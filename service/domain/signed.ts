import type { Grant } from './grant.ts';

/** A signed token that was verified. */
export type Verified =
  /** One of ours that the store keeps: there it stands what it allows, and whether still. */
  | { readonly id: string; readonly recorded: 'required' }
  /** One of ours of which nothing is kept. */
  | { readonly id: string; readonly recorded: 'never'; readonly grant: Grant }
  /** One that others signed: the store may know what became of it since. */
  | { readonly id: string; readonly recorded: 'optional'; readonly grant: Grant };

/** Why a token is rejected: for the log and the operator, never for the response. */
export interface Rejection {
  /** The claim or check that fails, in printable ASCII, without values of the token. */
  readonly reason: string;
  /** The configured issuer that the token names. */
  readonly issuer?: string;
}

/**
 * Verifies a JWT that says it is a download token.
 * Rejects with `KeysUnavailable` where the key that it needs cannot be had. `early`: also what others
 * signed and has not begun yet, for whoever revokes it.
 */
export type Verify = (token: string, early?: boolean) => Promise<Verified | Rejection>;

/** Signs tokens of our own. */
export interface Signer {
  /** `iss`, of which their ids are made. */
  readonly issuer: string;
  sign(jti: string, grant: Grant, recorded: boolean): Promise<string>;
}
