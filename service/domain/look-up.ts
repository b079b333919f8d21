import type { Grant } from './grant.ts';
import type { Verified, Verify } from './signed.ts';
import type { Store } from './store.ts';
import { isOpaque, tokenId } from './token.ts';

/** What is known of a token. */
export interface Found {
  /** Absent: it is no token that anyone signed. */
  readonly id?: string | undefined;
  /** Absent: it is not good, or not any more. */
  readonly grant?: Grant | undefined;
  readonly recorded?: Verified['recorded'];
  /** The store has to be told of it before its uses can be counted. */
  readonly unknown?: true;
}

export type LookUp = (token: string, early?: boolean) => Promise<Found>;

/** Looks a token up: in the store, by its signature, or both. One round trip at the most. */
export function createLookUp(store: Store, verify: Verify): LookUp {
  return async function lookUp(token, early) {
    if (isOpaque(token)) {
      const id = tokenId(token);
      return { id, recorded: 'required', grant: await store.find(id) };
    }
    const verified = await verify(token, early);
    if (verified === undefined) return {};
    const { id, recorded } = verified;
    if (recorded === 'required') return { id, recorded, grant: await store.find(id) };
    if (recorded === 'never') return verified;
    const kept = await store.recall(id);
    if (kept === 'revoked') return { id, recorded };
    return kept === undefined ? { ...verified, unknown: true } : { id, recorded, grant: kept };
  };
}
