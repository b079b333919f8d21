import type { Mounts } from '../paths/mount.ts';
import type { Client } from './client.ts';
import { type Grant, MAX_CLOCK_SKEW_MS, MAX_LEEWAY_MS, rememberedUntil } from './grant.ts';
import { issuersOf, type LookUp, type Owners } from './look-up.ts';
import { RequestError } from './request-error.ts';
import { type Store, Unacknowledged } from './store.ts';
import { isOpaque, jwtId, subjectId, tokenId } from './token.ts';

interface RevokeOptions {
  readonly store: Store;
  readonly lookUp: LookUp;
  readonly owners: Owners;
  readonly mounts: Pick<Mounts, 'downloadMs'>;
  /** Seconds by which the clocks of issuers may differ. */
  readonly leeway: number;
  readonly now: () => number;
}

/** Revocations by `jti` without an end that a client may have. In Redis, each takes 210 bytes indefinitely. */
const MAX_ENDLESS = 10_000;

const TOO_MANY_ENDLESS = `This client has ${MAX_ENDLESS} revocations without an end. Send the exp of the token, too.`;

export type Revoke = ReturnType<typeof createRevoke>;

export function createRevoke({ store, lookUp, owners, mounts, leeway, now }: RevokeOptions) {
  return {
    /** Ends a client's token now; does nothing if there is none. Returns its ID, if it is known. */
    async token(client: Client, token: string) {
      if (isOpaque(token)) return end(tokenId(token), client);
      const { id, grant, recorded } = await lookUp(token, 'revoking');
      if (id === undefined) return { revoked: false };
      // The store is asked even if the grant is gone: it may have to acknowledge an earlier revocation.
      if (grant === undefined || recorded === 'required') return end(id, client);
      if (grant.client !== client.id) return { id, revoked: false };
      if (recorded === 'never') {
        const detail = 'This token is not stored (revocable: false) and cannot be revoked.';
        throw new RequestError('unsupported_token_type', detail);
      }
      await endExternal(id, grant);
      return { id, revoked: true };
    },
    /** Ends a client's token now; false if there is none. */
    async id(client: Client, id: string): Promise<boolean> {
      const { grant } = issuersOf(owners, client.id).length > 0 ? await store.find(id) : {};
      if (!grant?.external || grant.client !== client.id) return store.revoke(id, client.id);
      await endExternal(id, grant);
      return true;
    },
    /**
     * Ends another issuer's token by its `jti`, also if nobody has presented it yet. Without its `exp`, in seconds, or
     * if that is far ahead, the revocation has no end: the issuer may date a token ahead.
     */
    async jti(client: Client, issuer: string, jti: string, exp?: number): Promise<void> {
      const owner = owners.get(issuer);
      if (owner?.id !== client.id) {
        const detail = 'The tokens of this issuer do not belong to this client.';
        throw new RequestError('insufficient_scope', detail);
      }
      const latest = now() + longestMs([[issuer, owner]]);
      const hasEnd = exp !== undefined && exp * 1000 <= latest;
      const until = hasEnd ? latest + mounts.downloadMs : { client: client.id, max: MAX_ENDLESS };
      if (await store.revokeExternal(jwtId(issuer, jti), until)) return;
      const errors = [{ pointer: '/exp', detail: 'must be that of the token' }];
      throw new RequestError('invalid_request', TOO_MANY_ENDLESS, errors);
    },
    /**
     * Ends all tokens that were issued to a client before, or for one of its subjects, and counts them. With a subject,
     * the JWTs that the client's issuers signed for it end, too, if their `iat` is before `signedBefore`: the stores
     * compare it when they find a token. The result does not count these JWTs.
     */
    async all(client: string, subject: string | undefined) {
      if (subject === undefined) return { revoked: await store.revokeAll(client, {}) };
      const issuers = issuersOf(owners, client);
      // The clock of an issuer may be ahead.
      const signed = issuers.map((issuer) => {
        const lifetime = longestMs([issuer]) + mounts.downloadMs;
        return store.revokeSigned(subjectId(issuer[0], subject), leeway, lifetime);
      });
      const stored = store.revokeAll(client, { subject });
      // Each ends other tokens, so one that fails must not keep the others from it.
      const ended = await Promise.allSettled([...signed, stored]);
      const failures = ended.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
      // `Unacknowledged` says that all is applied.
      const failure = failures.find((one) => !(one instanceof Unacknowledged)) ?? failures[0];
      if (failure !== undefined) throw failure;
      const times = await Promise.all(signed);
      const signedBefore = times.length > 0 && { signedBefore: Math.min(...times) };
      return { revoked: await stored, ...signedBefore };
    },
  };

  async function end(id: string, client: Client): Promise<{ id?: string; revoked: boolean }> {
    return { id, revoked: await store.revoke(id, client.id) };
  }

  /** The end of every token that is valid now: another one may have the same `jti`. */
  async function endExternal(id: string, grant: Grant): Promise<void> {
    const latest = now() + longestMs(issuersOf(owners, grant.client)) + mounts.downloadMs;
    await store.revokeExternal(id, Math.max(rememberedUntil(grant), latest));
  }
}

/** How long the tokens of these issuers can be valid, by any clock. */
function longestMs(issuers: ReadonlyArray<readonly [issuer: string, owner: Client]>): number {
  const lives = issuers.map(([, owner]) => owner.maxExpiresIn + owner.maxResumeFor);
  return Math.max(0, ...lives) * 1000 + 2 * MAX_LEEWAY_MS + MAX_CLOCK_SKEW_MS;
}
