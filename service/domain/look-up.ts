import type { Grant } from './grant.ts';
import type { Recorded, Verify } from './signed.ts';
import type { Store } from './store.ts';
import { isOpaque, tokenId } from './token.ts';

/** What is known of a token. */
export interface Found {
  /** Absent: it is no token that anyone signed. */
  readonly id?: string;
  /** Absent: it is not good, or not any more. */
  readonly grant?: Grant;
  /** Whether the store keeps it. */
  readonly recorded: Recorded;
  /** Whether the store has to be told of it before a use can be counted. */
  readonly unknown?: true;
}

export type LookUp = (token: string) => Promise<Found>;

/** Looks a token up: in the store, by its signature, or both. One round trip at the most. */
export function createLookUp(store: Store, verify: Verify): LookUp {
  return async function lookUp(token) {
    if (isOpaque(token)) {
      const id = tokenId(token);
      const grant = await store.find(id);
      return grant === undefined
        ? { id, recorded: 'required' }
        : { id, grant, recorded: 'required' };
    }
    const verified = await verify(token);
    if (verified === undefined) return { recorded: 'required' };
    const { id, recorded } = verified;
    if (recorded === 'never') return verified;
    if (recorded === 'required') {
      const grant = await store.find(id);
      return { id, recorded, ...(grant !== undefined && { grant }) };
    }
    const kept = await store.recall(id);
    if (kept === 'revoked') return { id, recorded };
    return kept === undefined ? { ...verified, unknown: true } : { id, recorded, grant: kept };
  };
}
