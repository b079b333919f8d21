import type { Added, Delivered, DeliveryEntry } from './delivery.ts';
import type { Grant, KnownRequester } from './grant.ts';
import type { Redeemed, Requester } from './uses.ts';

export type Entry = readonly [id: string, grant: Grant];

/** What a revocation of all tokens of a subject compares for an external token. */
export interface Signed {
  /** What `subjectId` returns for the issuer and the subject. */
  readonly subjectId: string;
  /** Milliseconds. */
  readonly issuedAt: number;
}

/** When an external token was signed, or the one of the same ID that was used first. */
export function signedAt({ issuedAt }: Signed, kept: Grant | undefined): number {
  return Math.min(issuedAt, kept?.issuedAt ?? issuedAt);
}

/** Which of a client's grants; all of them without both fields. */
export interface Selection {
  readonly subject?: string | undefined;
  /** Exactly the `covers` of a grant. */
  readonly covers?: string | undefined;
}

/** What a store has of a token. */
export interface Found {
  /** Absent: there is no live grant. */
  readonly grant?: Grant | undefined;
  /** An external token was revoked. Without a grant and this, nobody has used it yet. */
  readonly isRevoked?: true;
  /** Until the end of the grant, by the store's own clock: 0 or less if it has just ended. */
  readonly leftMs?: number;
}

/** A position in a list of grants: after this entry. */
export interface Cursor {
  readonly end: number;
  readonly id: string;
}

export interface Page {
  readonly entries: readonly Entry[];
  /** Absent: this is the last page. */
  readonly next?: Cursor;
}

/** At most this many requesters of a grant are shown. */
export const MAX_SHOWN_REQUESTERS = 100;

export interface Requesters {
  /** The number of all. */
  readonly total: number;
  /** Oldest first. */
  readonly newest: readonly KnownRequester[];
}

/**
 * Keeps grants, each under its token ID until it ends. One contract suite tests every implementation. If it cannot answer
 * in time, it rejects with {@link StoreUnavailable}, and never answers "not found". An external token is one that another
 * issuer signed. Long operations wait for a turn of the event loop before each piece.
 */
export interface Store {
  /** Saves the grants. If it rejects, it may have saved some of them. One round trip, in a cluster two. */
  issue(grants: readonly Entry[]): Promise<void>;
  /** The live grant of a token ID. `timed`: with `leftMs`. `Signed`: for an external token with a subject. One round trip. */
  find(id: string, how?: 'timed' | Signed): Promise<Found>;
  /**
   * Lets a requester use a grant with `uses`, atomically and by the store's clock, or as if it was `at`. Undefined if it
   * may not, or if the grant is gone. Without `count`, the store only checks whether a use is left. One round trip.
   */
  redeem(
    id: string,
    requester: Requester,
    count: boolean,
    at?: number,
  ): Promise<Redeemed | undefined>;
  /**
   * Counts an attempt to enter the PIN of a grant: the number with this one. Undefined if it is gone or has no PIN; 0 if
   * there were `max` already, which ends the grant. `redeem` gives the attempt back. Replicas acknowledge it,
   * unless the PIN is right: then they acknowledge the use. One round trip.
   */
  countAttempt(id: string, max: number, isRight?: boolean): Promise<number | undefined>;
  /** The requesters of a grant with `uses`; none if the grant is gone. */
  requesters(id: string): Promise<Requesters>;
  /** Adds what nginx sent for tokens, atomically for each. A server that is lost fails only its own tokens. */
  addDelivered(entries: readonly DeliveryEntry[]): Promise<Added>;
  /** What nginx sent for a token; undefined if nothing was added, or if the grant is gone. */
  delivered(id: string): Promise<Delivered | undefined>;
  /** Keeps the grant of an external token until `rememberedUntil`, so that its uses are counted. */
  saveExternal(id: string, grant: Grant): Promise<void>;
  /**
   * Remembers that an external token is revoked, until then or without an end. The later of two ends counts. False, and
   * nothing changes, if the client has `max` others without an end.
   */
  revokeExternal(id: string, until: number | Endless): Promise<boolean>;
  /**
   * Revokes the external tokens of a subject that were signed until now, by the later of this clock and the store's, or in
   * the next `leeway` whole seconds. Keeps that for `keptMs` more. Returns the time, in seconds, before which they
   * are revoked: that of an earlier call, if it is later.
   */
  revokeSigned(subjectId: string, leeway: number, keptMs: number): Promise<number>;
  /** Changes when a grant ends. Never restores one that is gone. An earlier end takes effect like a revocation. */
  prolong(id: string, client: string, expiresAt: number): Promise<Grant | undefined>;
  /** Ends a client's grant now; false if there was none. One round trip. */
  revoke(id: string, client: string): Promise<boolean>;
  /** Live grants of a client, ordered by their end. A page may have fewer than `limit`. */
  list(client: string, selection: Selection, limit: number, after?: Cursor): Promise<Page>;
  /** Ends all grants of a client, or of one of its subjects, that were issued before, and counts them. */
  revokeAll(client: string, of: Pick<Selection, 'subject'>): Promise<number>;
  /** Proves that the store accepts a write. If it rejects, the error has the health. */
  check(): Promise<Health>;
  close(): Promise<void>;
}

/** A revocation without an end, and how many of them its client may have. The store never forgets one. */
export interface Endless {
  readonly client: string;
  readonly max: number;
}

/** What the API may call. Changes go through issue/ and revoke.ts. */
export type StoreReads = Pick<Store, 'list' | 'requesters' | 'delivered' | 'check'>;

/** The servers of a store, for the operator. */
export interface Health {
  readonly store: 'memory' | 'server' | 'sentinel' | 'cluster';
  readonly masters: number;
  /** Number of masters that accept a write. */
  readonly answering: number;
  /** Connected to the master that has the fewest; absent: unknown. */
  readonly replicas?: number;
  /** Number of replicas that must acknowledge a revocation. */
  readonly wanted: number;
  readonly warning?: string;
}

/** Something that a decision needs did not answer or failed, so the token cannot be checked. */
export class Unavailable extends Error {
  override readonly name: string = 'Unavailable';
  /** What is unavailable, for messages. */
  readonly what: string = 'what the token needs';
}

export class StoreUnavailable extends Unavailable {
  override readonly name: string = 'StoreUnavailable';
  override readonly what = 'the token store';
  /** The reason, without addresses and secrets; absent: unknown. */
  readonly shown: string | undefined;
  /** How many tokens a revocation of many ended before it failed. */
  readonly revoked: number | undefined;
  /** Set by {@link Store.check}. */
  health?: Health;

  constructor(
    message: string,
    { shown, revoked }: Partial<Pick<StoreUnavailable, 'shown' | 'revoked'>> = {},
  ) {
    super(message);
    this.shown = shown;
    this.revoked = revoked;
  }
}

/** A change is applied, but a failover may lose it. Repeat it until replicas acknowledge it. */
export class Unacknowledged extends StoreUnavailable {
  override readonly name = 'Unacknowledged';

  /** @param reason without addresses and secrets */
  constructor(reason: string) {
    super(reason, { shown: reason });
  }
}

/** The keys of another issuer are not available. */
export class KeysUnavailable extends Unavailable {
  override readonly name = 'KeysUnavailable';
  override readonly what = 'the key set of an issuer';
}
