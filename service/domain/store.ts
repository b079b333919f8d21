import type { Grant, KnownRequester } from './grant.ts';
import type { Redeemed, Requester } from './requester.ts';

/** A grant under its token id. */
export type Entry = readonly [id: string, grant: Grant];

export interface Timed {
  readonly grant: Grant;
  /** Milliseconds; 0 or less where it has just ended. */
  readonly leftMs: number;
}

/** A place in the list of a subject's grants: past this one. Its parts are the store's own. */
export interface Cursor {
  readonly end: number;
  readonly id: string;
}

export interface Page {
  readonly entries: readonly Entry[];
  /** Where the next page begins; absent: this is the last one. */
  readonly next?: Cursor;
}

/**
 * Where grants live, each under its token id until it ends.
 * One contract suite holds every implementation. A store that cannot answer in time rejects with
 * {@link StoreUnavailable}, and never answers "not there" instead.
 */
export interface Store {
  /** Keeps all of the grants or none. One round trip. */
  issue(grants: readonly Entry[]): Promise<void>;
  /** The live grant of an id. One round trip. */
  find(id: string): Promise<Grant | undefined>;
  /** As `find`, with what is left of the grant by the store's own clock. One round trip. */
  findTimed(id: string): Promise<Timed | undefined>;
  /**
   * Lets a requester use a grant whose requesters are told apart, at once and by the store's own
   * clock; undefined if it may not, or the grant is gone. `count`: a new one takes a use; else it
   * is only looked whether one is left. One round trip.
   */
  redeem(id: string, requester: Requester, count: boolean): Promise<Redeemed | undefined>;
  /** Who uses a grant whose requesters are told apart, the oldest first; none where it is gone. */
  requesters(id: string): Promise<readonly KnownRequester[]>;
  /** As `find`, of a token that others signed: what became of it, if anything did. */
  recall(id: string): Promise<Grant | 'revoked' | undefined>;
  /** Keeps a grant that others signed until `rememberedUntil`, so that its uses are counted. */
  adopt(id: string, grant: Grant): Promise<void>;
  /**
   * Remembers that what others signed is revoked: until then (milliseconds since the epoch), or
   * without end. Of two ends the later one counts.
   */
  disown(id: string, until?: number): Promise<void>;
  /** Ends a grant at another time, and gives it back; never brings back one that is gone. */
  prolong(id: string, client: string, expiresAt: number): Promise<Grant | undefined>;
  /** Ends a client's grant now; false if there was none. One round trip. */
  revoke(id: string, client: string): Promise<boolean>;
  /** Live grants of a client's subject, those that end first before the others. */
  list(client: string, subject: string, limit: number, after?: Cursor): Promise<Page>;
  /** Ends all grants of a client's subject that were issued before, and counts them. */
  revokeSubject(client: string, subject: string): Promise<number>;
  /** Proves that the store takes a write; what an operator should know about it, if anything. */
  check(): Promise<{ readonly warning?: string }>;
  close(): Promise<void>;
}

/** What a decision needs did not answer, or answered with an error: nothing is known of the token. */
export class Unavailable extends Error {
  override readonly name: string = 'Unavailable';
  /** Which it is, for a person. */
  readonly what: string = 'what the token needs';
}

/** The store did not answer, or answered with an error: nothing is known about any token. */
export class StoreUnavailable extends Unavailable {
  override readonly name = 'StoreUnavailable';
  override readonly what = 'the token store';
  /** Why, without an address or a secret; absent: not known. */
  readonly shown: string | undefined;

  constructor(message: string, { shown }: { readonly shown?: string } = {}) {
    super(message);
    this.shown = shown;
  }
}

/** The keys that another issuer signs with cannot be had. */
export class KeysUnavailable extends Unavailable {
  override readonly name = 'KeysUnavailable';
  override readonly what = 'the key set of an issuer';
}
