import type { Grant } from './grant.ts';

/**
 * Where grants live, each under its token id until it expires.
 * One contract suite holds every implementation. A store that cannot answer in time rejects with
 * {@link StoreUnavailable}, and never answers "not there" instead.
 */
export interface Store {
  /** Keeps all of the grants or none. One round trip. */
  issue(grants: ReadonlyArray<readonly [id: string, grant: Grant]>): Promise<void>;
  /** The live grant of an id. One round trip. */
  find(id: string): Promise<Grant | undefined>;
  /** Ends a grant at another time, and gives it back; never brings back one that is gone. */
  prolong(id: string, client: string, expiresAt: number): Promise<Grant | undefined>;
  /** Ends a client's grant now; false if there was none. One round trip. */
  revoke(id: string, client: string): Promise<boolean>;
  /** Ends all grants of a client's subject, and counts them. */
  revokeSubject(client: string, subject: string): Promise<number>;
  /** Proves that the store takes a write; what an operator should know about it, if anything. */
  check(): Promise<{ readonly warning?: string }>;
  close(): Promise<void>;
}

/** The store did not answer, or answered with an error: nothing is known about any token. */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable';
}
