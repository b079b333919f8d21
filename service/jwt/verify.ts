import { createHash } from 'node:crypto';
import type { Client } from '../domain/client.ts';
import { MAX_CLOCK_SKEW_MS } from '../domain/grant.ts';
import type { Rejection, Verified, Verify } from '../domain/look-up.ts';
import type { Mounts } from '../domain/mount.ts';
import { JWT_TYPE, jwtId } from '../domain/token.ts';
import { checkJwt, schemaReason } from './check.ts';
import { externalGrant, grantOf, OWN_AUDIENCE, ownClaims } from './claims.ts';
import { type OpenIssuer, type OwnKeys, unverifiedClaims } from './keys.ts';

/** An issuer that signs download tokens itself, and the client that owns them, with the issuer's limits. */
type DownloadIssuer = Pick<OpenIssuer, 'issuer' | 'audience' | 'keys'> & {
  readonly client: Client;
};

export interface VerifyOptions {
  /** Absent: Postern does not sign tokens. */
  readonly own?: { readonly issuer: string; readonly keys: OwnKeys };
  readonly issuers: readonly DownloadIssuer[];
  readonly mounts: Mounts;
  /** Seconds. */
  readonly leeway: number;
  readonly now: () => number;
}

const UNKNOWN_ISSUER = 'iss: is neither POSTERN_ISSUER nor an issuer that is trusted for downloads';

/** Milliseconds since the epoch. */
type Until = number;

/**
 * Verifies download tokens of Postern and of trusted issuers, and caches the valid ones. The cache ends with
 * the keys: a reload makes both again.
 */
export function createVerify({ own, issuers, mounts, leeway, now }: VerifyOptions): Verify {
  const cache = createCache<Verified>(now);
  const byIssuer = new Map(issuers.map((issuer) => [issuer.issuer, issuer]));
  const common = { typ: JWT_TYPE, leeway };

  return async function verify(token, revoking = false) {
    const cached = cache.get(token);
    if (cached !== undefined) return cached;
    const { iss: issuer, begins, ends } = unverifiedClaims(token);
    const at = revoking ? nearest(now(), begins, ends) : now();
    const external = issuer === undefined ? undefined : byIssuer.get(issuer);
    const result =
      own && issuer === own.issuer
        ? await verifyOwn(token, own, at)
        : external && (await verifyExternal(token, external, at));
    if (result === undefined) return { reason: UNKNOWN_ISSUER };
    if ('reason' in result) return { ...result, issuer: issuer as string };
    const [verified, until] = result;
    // Do not cache a token that is not valid now.
    if (!revoking) cache.set(token, verified, until);
    return verified;
  };

  async function verifyOwn(
    token: string,
    { issuer, keys }: NonNullable<VerifyOptions['own']>,
    at: number,
  ): Promise<[Verified, Until] | Rejection> {
    const requiredClaims = ['jti', 'iat', 'nbf', 'exp'];
    const options = { ...common, issuer, audience: OWN_AUDIENCE, requiredClaims, now: () => at };
    const checked = await checkJwt(token, keys.find, options);
    if ('reason' in checked) return checked;
    const { data: claims, error } = ownClaims.safeParse(checked.claims);
    if (claims === undefined) return { reason: schemaReason(error) };
    const id = jwtId(issuer, claims.jti);
    // The leeway applies to the start, not to the end.
    const until = claims.exp * 1000;
    if (until <= at) return { reason: 'exp: has passed' };
    if (claims.revocable !== false) return [{ id, recorded: 'required' }, until];
    const grant = grantOf(claims);
    if (grant === undefined) return { reason: 'revocable: is false, and uses are to be counted' };
    return [{ id, recorded: 'never', grant }, until];
  }

  async function verifyExternal(
    token: string,
    { issuer, audience, keys, client }: DownloadIssuer,
    at: number,
  ): Promise<[Verified, Until] | Rejection> {
    const requiredClaims = ['jti', 'iat', 'exp'];
    const options = { ...common, issuer, audience, requiredClaims, now: () => at };
    const checked = await checkJwt(token, keys, options);
    if ('reason' in checked) return checked;
    const found = externalGrant(checked.claims, client, mounts, leeway, at);
    if ('reason' in found) return found;
    const { jti, grant, until } = found;
    return [{ id: jwtId(issuer, jti), recorded: 'optional', grant }, until];
  }
}

/**
 * The time at which a token that is to be revoked is verified: the nearest to now at which it is valid. The
 * clock of another instance may show that time, and a token that is not valid yet will be.
 */
function nearest(now: number, begins: number, ends: number): number {
  return Math.min(Math.max(now, begins), Math.max(ends - 1, now - MAX_CLOCK_SKEW_MS));
}

/** Takes 4 to 7 MB, and 31 MB if each token has almost the maximum length. */
const MAX_ENTRIES = 10_000;

/** A key may be withdrawn meanwhile. */
const MAX_AGE_MS = 300_000;

/**
 * Caches the latest results by the hash of their token: verifying a signature costs more than the rest
 * of a decision.
 */
export function createCache<T>(now: () => number) {
  const results = new Map<string, { readonly value: T; readonly until: number }>();
  return {
    get(token: string): T | undefined {
      const key = keyOf(token);
      const found = results.get(key);
      if (found === undefined || found.until > now()) return found?.value;
      results.delete(key);
      return undefined;
    },
    /** `until`: milliseconds since the epoch. */
    set(token: string, value: T, until: number): void {
      const key = keyOf(token);
      // Concurrent requests may each have verified it. Deleting makes it the latest entry.
      results.delete(key);
      if (results.size >= MAX_ENTRIES) results.delete(results.keys().next().value as string);
      results.set(key, { value, until: Math.min(until, now() + MAX_AGE_MS) });
    },
  };
}

function keyOf(token: string): string {
  return createHash('sha256').update(token).digest('base64url');
}
