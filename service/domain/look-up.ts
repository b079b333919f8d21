import type { Grant } from './grant.ts';
import type { Store } from './store.ts';
import { isOpaque, tokenId } from './token.ts';

/** What is known of a token. */
export interface Found {
  /** Absent: it is no token that anyone signed. */
  readonly id?: string | undefined;
  /** Absent: it is not good, or not any more. */
  readonly grant?: Grant | undefined;
  /** Why a JWT is not good. */
  readonly rejection?: Rejection | undefined;
  /**
   * Milliseconds for which the token is valid at least, whatever clock this process has. Absent: not
   * known.
   */
  readonly leftMs?: number | undefined;
  readonly recorded?: Verified['recorded'];
  /** The store has to be told of it before its uses can be counted. */
  readonly unknown?: true;
}

export interface LookUpOptions {
  readonly store: Store;
  readonly verify: Verify;
  /** Whether to find `leftMs`: the store then does more for each look-up. */
  readonly timed: boolean;
  /** Seconds by which clocks may differ. */
  readonly leeway: number;
  readonly now: () => number;
}

export type LookUp = (token: string, revoking?: boolean) => Promise<Found>;

const NOT_STORED = { reason: 'the store does not have it: it ended, was revoked, or was lost' };
const REVOKED = { reason: 'it was revoked' };

/** Looks a token up: in the store, by its signature, or both. One round trip at the most. */
export function createLookUp({ store, verify, timed, leeway, now }: LookUpOptions): LookUp {
  return async function lookUp(token, revoking) {
    if (isOpaque(token)) return findRecorded(tokenId(token));
    const verified = await verify(token, revoking);
    if ('reason' in verified) return { rejection: verified };
    const { id, recorded } = verified;
    if (recorded === 'required') {
      const found = await findRecorded(id);
      return { ...found, ...(found.grant === undefined && { rejection: NOT_STORED }) };
    }
    if (recorded === 'never') return signed(verified);
    const kept = await store.recall(id);
    if (kept === 'revoked') return { id, recorded, rejection: REVOKED };
    return kept === undefined
      ? { ...signed(verified), unknown: true }
      : { id, recorded, grant: kept };
  };

  async function findRecorded(id: string): Promise<Found> {
    if (!timed) return { id, recorded: 'required', grant: await store.find(id) };
    return { id, recorded: 'required', ...(await store.findTimed(id)) };
  }

  /** No store says when it ends, and our clock may be late by the leeway. */
  function signed(verified: Verified & { readonly grant: Grant }): Found {
    if (!timed) return verified;
    return { ...verified, leftMs: verified.grant.expiresAt - now() - leeway * 1000 };
  }
}

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
 * Rejects with `KeysUnavailable` where the key that it needs cannot be had. `revoking`: also accepts a token
 * that other instances may accept, by their clocks or later.
 */
export type Verify = (token: string, revoking?: boolean) => Promise<Verified | Rejection>;

/** Signs tokens of our own. */
export interface Signer {
  /** `iss`, of which their ids are made. */
  readonly issuer: string;
  sign(jti: string, grant: Grant, recorded: boolean): Promise<string>;
}
