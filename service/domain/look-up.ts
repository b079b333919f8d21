import type { Grant } from './grant.ts';
import type { Rejection, Verified, Verify } from './signed.ts';
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
  readonly recorded?: Verified['recorded'];
  /** The store has to be told of it before its uses can be counted. */
  readonly unknown?: true;
}

export type LookUp = (token: string, early?: boolean) => Promise<Found>;

const NOT_STORED = { reason: 'the store does not have it: it ended, was revoked, or was lost' };
const REVOKED = { reason: 'it was revoked' };

/** Looks a token up: in the store, by its signature, or both. One round trip at the most. */
export function createLookUp(store: Store, verify: Verify): LookUp {
  return async function lookUp(token, early) {
    if (isOpaque(token)) {
      const id = tokenId(token);
      return { id, recorded: 'required', grant: await store.find(id) };
    }
    const verified = await verify(token, early);
    if ('reason' in verified) return { rejection: verified };
    const { id, recorded } = verified;
    if (recorded === 'required') {
      const grant = await store.find(id);
      return { id, recorded, grant, ...(grant === undefined && { rejection: NOT_STORED }) };
    }
    if (recorded === 'never') return verified;
    const kept = await store.recall(id);
    if (kept === 'revoked') return { id, recorded, rejection: REVOKED };
    return kept === undefined ? { ...verified, unknown: true } : { id, recorded, grant: kept };
  };
}
