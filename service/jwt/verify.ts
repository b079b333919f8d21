import { hash } from 'node:crypto';
import type { JWTPayload } from 'jose';
import type { Mounts } from '../site/mount.ts';
import type { Client } from '../token/client.ts';
import { MAX_CLOCK_SKEW_MS } from '../token/grant.ts';
import type { Rejection, Verified, Verify } from '../token/look-up.ts';
import { JWT_TYPE } from '../token/token.ts';
import { checkJwt } from './check.ts';
import { type ClaimsRead, OWN_AUDIENCE, readExternal, readOwn } from './claims.ts';
import { type KeySource, type OpenIssuer, type OwnKeys, unverifiedClaims } from './keys.ts';

/** An issuer that signs download tokens itself, and the client that owns them, with the issuer's limits. */
type DownloadIssuer = Pick<OpenIssuer, 'issuer' | 'audience' | 'keys'> & {
  readonly client: Client;
};

interface VerifyOptions {
  /** Absent: Postern does not sign tokens. */
  readonly own?: { readonly issuer: string; readonly keys: OwnKeys };
  readonly issuers: readonly DownloadIssuer[];
  readonly mounts: Mounts;
  readonly leeway: number;
  readonly now: () => number;
}

const UNKNOWN_ISSUER = 'iss: is neither POSTERN_ISSUER nor an issuer that is trusted for downloads';
const NO_OWN_KEYS =
  'iss: is not an issuer that is trusted for downloads, and POSTERN_JWT_KEYS is not set';

/** How the tokens of an issuer are checked. */
interface Trusted {
  readonly audience: string;
  readonly keys: KeySource;
  readonly requiredClaims: string[];
  readonly read: (claims: JWTPayload, at: number) => ClaimsRead | Rejection;
}

/**
 * Verifies download tokens of Postern and of trusted issuers, and caches the valid ones. A reload creates a new
 * cache with the new keys.
 */
export function createVerify({ own, issuers, mounts, leeway, now }: VerifyOptions): Verify {
  const cache = createCache<Verified>(now);
  const byIssuer = new Map<string, Trusted>();
  for (const { issuer, audience, keys, client } of issuers) {
    const read: Trusted['read'] = (claims, at) =>
      readExternal(claims, client, { mounts, leeway }, at);
    byIssuer.set(issuer, { audience, keys, requiredClaims: ['jti', 'iat', 'exp'], read });
  }
  if (own !== undefined) {
    byIssuer.set(own.issuer, {
      audience: OWN_AUDIENCE,
      keys: own.keys.find,
      requiredClaims: ['jti', 'iat', 'nbf', 'exp'],
      read: (claims, at) => readOwn(claims, own.issuer, at),
    });
  }

  return async function verify(token, revoking = false) {
    const cached = cache.get(token);
    if (cached !== undefined) return cached;
    const { iss: issuer, begins, ends } = unverifiedClaims(token);
    const trusted = issuer === undefined ? undefined : byIssuer.get(issuer);
    if (issuer === undefined || trusted === undefined) {
      return { reason: own === undefined ? NO_OWN_KEYS : UNKNOWN_ISSUER };
    }
    const { keys, read, ...expected } = trusted;
    const at = revoking ? nearest(now(), begins, ends) : now();
    const options = { ...expected, issuer, typ: JWT_TYPE, leeway, at };
    const checked = await checkJwt(token, keys, options);
    const result = 'reason' in checked ? checked : read(checked.claims, at);
    if ('reason' in result) return { ...result, issuer };
    // Do not cache a token that is not valid now.
    if (!revoking) cache.set(token, result.verified, result.until);
    return result.verified;
  };
}

/**
 * The time for which a token that is to be revoked is verified: the time nearest to now at which it is valid.
 * Another instance, with another clock, may accept it now, and a token that begins later will be valid.
 */
function nearest(now: number, begins: number, ends: number): number {
  return Math.min(Math.max(now, begins), Math.max(ends - 1, now - MAX_CLOCK_SKEW_MS));
}

/** Takes 4 to 7 MB, and 31 MB if each token has almost the maximum length. */
const MAX_ENTRIES = 10_000;

/** A key may be withdrawn after the verification. */
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
      const left = (found?.until ?? 0) - now();
      // More is left only if the clock was set back.
      if (left > 0 && left <= MAX_AGE_MS) return found?.value;
      results.delete(key);
      return undefined;
    },
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
  return hash('sha256', token, 'base64url');
}
