import type { Client } from './client.ts';
import { type Grant, latestEndOf } from './grant.ts';
import type { Signed, Store } from './store.ts';
import { isOpaque, subjectId, tokenId } from './token.ts';

export interface LookUpResult {
  /** Absent: the token was not issued by anyone trusted. */
  readonly id?: string | undefined;
  /** Absent: the token is not valid, or no longer. */
  readonly grant?: Grant | undefined;
  readonly rejection?: Rejection | undefined;
  /** Milliseconds for which the token stays valid, whatever this process' clock says; absent: unknown. */
  readonly leftMs?: number | undefined;
  readonly recorded?: Verified['recorded'];
  /** An external token must be saved before its uses can be counted. */
  readonly unsaved?: true;
}

interface LookUpOptions {
  readonly store: Store;
  readonly verify: Verify;
  /** Whether to find `leftMs`, which takes the store more time. */
  readonly timed: boolean;
  /** Seconds by which clocks may differ. */
  readonly leeway: number;
  readonly now: () => number;
}

/**
 * `revoking`: also accepts a token that other instances may accept, by their clocks or later. `verified`: rejects a JWT
 * whose signature this process would have to check.
 */
export type How = 'revoking' | 'verified';

/** `at`: judges the end at this time instead of now, for a later slice of a download that began then. */
export type LookUp = (token: string, how?: How, at?: number) => Promise<LookUpResult>;

const NOT_STORED = { reason: 'the store does not have it: it ended, was revoked, or was lost' };
const REVOKED = { reason: 'it was revoked' };
const OTHER_SUBJECT = { reason: 'sub: is not that of the first token with this jti' };
const TOO_EARLY = { reason: 'not_before: is later than now' };

/** Looks a token up in the store, by its signature, or both. At most one round trip. */
export function createLookUp({ store, verify, timed, leeway, now }: LookUpOptions): LookUp {
  return async function lookUp(token, how, at = now()) {
    if (isOpaque(token)) return findRecorded(tokenId(token), at);
    const verified = await verify(token, how, at);
    if ('reason' in verified) return { rejection: verified };
    const { id, recorded } = verified;
    if (recorded === 'required') {
      const found = await findRecorded(id, at);
      return found.grant === undefined ? { rejection: NOT_STORED, ...found } : found;
    }
    if (recorded === 'never') return signed(verified);
    const { grant, isRevoked } = await store.find(id, verified.signed);
    if (!grant && !isRevoked) return { ...signed(verified), unsaved: true };
    // The revocation of a subject could not end a token whose issuer signs the same `jti` for another one.
    if (grant && grant.subject === verified.grant.subject) return { id, recorded, grant };
    // Another token with this `jti` may end later than the revocation.
    if (how === 'revoking') return verified;
    return { id, recorded, rejection: isRevoked ? REVOKED : OTHER_SUBJECT };
  };

  async function findRecorded(id: string, at: number): Promise<LookUpResult> {
    const recorded = 'required';
    const { grant, leftMs } = await store.find(id, timed ? 'timed' : undefined);
    if ((grant?.notBefore ?? 0) * 1000 > now()) return { id, recorded, rejection: TOO_EARLY };
    const hasEnded = grant?.downloadTime !== undefined && latestEndOf(grant) <= at;
    return grant && !hasEnded ? { id, recorded, grant, leftMs } : { id, recorded };
  }

  /** The store does not time this token, and the clock of this process may be late by the leeway. */
  function signed(verified: Verified & { readonly grant: Grant }): LookUpResult {
    if (!timed) return verified;
    return { ...verified, leftMs: verified.grant.expiresAt - now() - leeway * 1000 };
  }
}

/** The clients that own the tokens of other issuers, by `iss`. */
export type Owners = ReadonlyMap<string, Client>;

/** The issuers whose tokens belong to a client, each with its limits. */
export function issuersOf(owners: Owners, client: string) {
  return [...owners].filter(([, { id }]) => id === client);
}

interface FindOptions {
  readonly store: Pick<Store, 'find'>;
  readonly owners: Owners;
}

/** A client's live grant. After the revocation of a subject, the store still has the records of its external tokens. */
export async function findOfClient({ store, owners }: FindOptions, client: Client, id: string) {
  const { grant } = await store.find(id);
  if (grant?.client !== client.id) return undefined;
  const { external, subject, issuedAt } = grant;
  if (!external || subject === undefined) return grant;
  // The record does not have its issuer. A revocation is for all issuers of the client.
  const found = issuersOf(owners, client.id).map(([issuer]) =>
    store.find(id, { subjectId: subjectId(issuer, subject), issuedAt }),
  );
  return (await Promise.all(found)).some(({ isRevoked }) => isRevoked) ? undefined : grant;
}

/** A JWT whose signature and claims are valid. */
export type Verified =
  /** Postern's own token. The store has the grant and says whether it is still valid. */
  | { readonly id: string; readonly recorded: 'required' }
  /** Postern's own token, not stored. */
  | { readonly id: string; readonly recorded: 'never'; readonly grant: Grant }
  /** An external token. The store may have counted its uses or revoked it. */
  | {
      readonly id: string;
      readonly recorded: 'optional';
      readonly grant: Grant;
      /** Absent: it has no subject. */
      readonly signed?: Signed;
    };

/** Why a token is rejected: for the log and the operator, never for the response. */
export interface Rejection {
  /** The claim or check that fails, in printable ASCII, without values from the token. */
  readonly reason: string;
  /** The configured issuer that the token names. */
  readonly issuer?: string;
  /** The signature was checked, which takes a quarter of a millisecond. */
  readonly checked?: boolean;
}

/** Verifies a JWT with the type of a download token. Rejects with `KeysUnavailable` if its key is not available. */
export type Verify = (token: string, how?: How, at?: number) => Promise<Verified | Rejection>;

export interface Signer {
  /** `iss`; part of the token IDs. */
  readonly issuer: string;
  sign(jti: string, grant: Grant, recorded: boolean): Promise<string>;
}
