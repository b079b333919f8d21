import { hash } from 'node:crypto';
import { decodeJwt, errors, type JWTPayload, jwtVerify } from 'jose';
import type { Mounts } from '../paths/mount.ts';
import type { Client } from '../token/client.ts';
import { MAX_CLOCK_SKEW_MS } from '../token/grant.ts';
import type { Rejection, Verified, Verify } from '../token/look-up.ts';
import { JWT_TYPE } from '../token/token.ts';
import {
  type ClaimsRead,
  MAX_DATE,
  OWN_AUDIENCE,
  readExternal,
  readOwn,
  safeName,
} from './claims.ts';
import type { Key, KeySource, OwnKeys } from './keys.ts';

/** An issuer that signs download tokens itself, and the client that owns them, with the issuer's limits. */
interface DownloadIssuer extends Pick<Trusted<unknown>, 'issuer' | 'audience' | 'keys'> {
  readonly client: Client;
}

interface VerifyOptions {
  /** Absent: Postern does not sign tokens. */
  readonly own?: { readonly issuer: string; readonly keys: OwnKeys };
  readonly issuers: readonly DownloadIssuer[];
  readonly mounts: Mounts;
  readonly leeway: number;
  readonly now: () => number;
}

const UNKNOWN_ISSUER =
  'iss: is neither POSTERN_JWT_ISSUER nor an issuer that is trusted for downloads';
const NO_OWN_KEYS =
  'iss: is not an issuer that is trusted for downloads, and POSTERN_JWT_KEYS_FILE is not set';

const NOT_CHECKED = 'signature: is not checked, because another cookie has a JWT that is not valid';

/** Verifies download tokens of Postern and of trusted issuers, and caches the valid ones for a while. */
export function createVerify({ own, issuers, mounts, leeway, now }: VerifyOptions): Verify {
  const cache = createCache<Verified>(now);
  const byIssuer = new Map<unknown, Trusted<ClaimsRead>>();
  for (const { issuer, audience, keys, client } of issuers) {
    byIssuer.set(issuer, {
      ...{ issuer, audience, keys, requiredClaims: ['jti', 'iat', 'exp'] },
      read: (claims, at) => readExternal(claims, client, { mounts, leeway }, at),
    });
  }
  if (own !== undefined) {
    const { issuer, keys } = own;
    byIssuer.set(issuer, {
      ...{ issuer, audience: OWN_AUDIENCE, keys: keys.find },
      requiredClaims: ['jti', 'iat', 'nbf', 'exp'],
      read: (claims, at) => readOwn(claims, issuer, at),
    });
  }

  return async function verify(token, how, judgedAt = now()) {
    const cached = cache.get(token);
    if (cached !== undefined) return cached;
    if (how === 'verified') return { reason: NOT_CHECKED };
    const claims = unverifiedClaims(token);
    const trusted = byIssuer.get(claims.iss);
    if (trusted === undefined) return { reason: own === undefined ? NO_OWN_KEYS : UNKNOWN_ISSUER };
    const revoking = how === 'revoking';
    // This comes before the signature: anyone can collect expired tokens, and a browser keeps them in cookies.
    if (!revoking && hasPassed(claims, judgedAt / 1000 - leeway)) {
      return { reason: REASONS.ERR_JWT_EXPIRED as string, issuer: trusted.issuer };
    }
    const at = revoking ? nearest(now(), claims, mounts.downloadMs) : judgedAt;
    const result = await checkJwt(token, trusted, { typ: JWT_TYPE, leeway, at });
    if ('reason' in result) return result;
    // Do not cache a token that is not valid now.
    if (!revoking) cache.set(token, result.verified, result.until);
    return result.verified;
  };
}

/** Claims of a JWT before its verification, only to choose its keys and the time of the check. */
export function unverifiedClaims(token: string): JWTPayload {
  try {
    return decodeJwt(token);
  } catch {
    return {};
  }
}

/**
 * The time for which a token to revoke is verified: the nearest to now at which it is valid. Another instance's
 * clock may accept it now, it may begin later, and a download that began before its end may still run.
 */
function nearest(now: number, { iat, nbf, exp }: JWTPayload, downloadMs: number): number {
  const begins = Math.max(now, millisecondsOf(iat), millisecondsOf(nbf));
  return Math.min(begins, Math.max(millisecondsOf(exp) - 1, now - MAX_CLOCK_SKEW_MS - downloadMs));
}

function hasPassed({ exp }: JWTPayload, now: number): boolean {
  return typeof exp === 'number' && exp <= now;
}

/** Before the verification, a date can be any JSON. */
function millisecondsOf(date: unknown): number {
  return typeof date === 'number' && date <= MAX_DATE ? date * 1000 : 0;
}

/** How the JWTs of an issuer are checked, and what its claims say. */
export interface Trusted<T> {
  readonly issuer: string;
  readonly audience: string;
  readonly requiredClaims: string[];
  readonly keys: KeySource;
  readonly read: (claims: JWTPayload, at: number) => T | Rejection;
}

interface CheckOptions {
  readonly typ?: string;
  /** Tolerated clock difference in seconds. */
  readonly leeway: number;
  /** The time of the check, in milliseconds since the epoch. */
  readonly at: number;
}

/**
 * Checks a JWT's signature, issuer, audience and times (RFC 8725), and reads its claims. The key determines the algorithm.
 * The header's `jku`, `x5u` and `jwk` are ignored, and `crit` is rejected.
 */
export async function checkJwt<T extends object>(
  token: string,
  { keys, read, ...expected }: Trusted<T>,
  { leeway, at, ...options }: CheckOptions,
): Promise<T | Rejection> {
  const { issuer } = expected;
  let checked = false;
  const rejected = (reason: string) => ({ reason, issuer, ...(checked && { checked }) });
  try {
    const { payload } = await jwtVerify(
      token,
      async (header) => {
        // The library accepts a `crit` that names b64.
        if (header.crit !== undefined) throw new errors.JOSENotSupported('crit');
        const found = await keys(header);
        if (found === undefined) throw new errors.JWKSNoMatchingKey();
        if (header.alg !== found.alg || isShort(found.verify)) throw new errors.JOSEAlgNotAllowed();
        checked = true;
        return found.verify;
      },
      { ...expected, ...options, clockTolerance: leeway, currentDate: new Date(at) },
    );
    const result = read(payload, at);
    return 'reason' in result ? rejected(result.reason) : result;
  } catch (error) {
    if (error instanceof errors.JOSEError) return rejected(joseReason(error));
    throw error;
  }
}

/** RFC 7518, section 3.3. For a short key, the library throws an error that is not a JOSEError. */
function isShort(key: Key['verify']): boolean {
  const { modulusLength = 2048 } = key.algorithm as { modulusLength?: number };
  return modulusLength < 2048;
}

/** The reason, by the claim that fails a check, by how another claim fails, or by the stable code of jose's error. */
const REASONS: Readonly<Record<string, string>> = {
  iss: 'is another issuer',
  aud: 'does not name the audience of its issuer',
  typ: 'is not postern+jwt',
  nbf: 'is later than now',
  iat: 'is later than now',
  exp: 'has passed',
  missing: 'is missing',
  invalid: 'has the wrong type',
  ERR_JWT_EXPIRED: 'exp: has passed',
  ERR_JWKS_NO_MATCHING_KEY: 'kid: its issuer has no key with this kid and alg',
  ERR_JOSE_ALG_NOT_ALLOWED:
    'alg: is not the algorithm of the key, or the key is an RSA key of less than 2048 bits',
  ERR_JWS_SIGNATURE_VERIFICATION_FAILED: 'signature: does not match the key',
  ERR_JOSE_NOT_SUPPORTED: 'crit: is not supported',
};

/** Why jose rejects a JWT. Its own message may quote the token. */
function joseReason(error: errors.JOSEError): string {
  if (!(error instanceof errors.JWTClaimValidationFailed)) {
    return REASONS[error.code] ?? 'is not a well-formed JWT';
  }
  const { claim, reason } = error;
  const why = REASONS[reason === 'check_failed' ? claim : reason] ?? 'is not valid';
  return `${safeName(claim)}: ${why}`;
}

/** Takes 4 to 7 MB, and 31 MB if each token has almost the maximum length. */
const MAX_ENTRIES = 10_000;

/** A key may be withdrawn after the verification. */
const MAX_AGE_MS = 300_000;

/** Caches the latest results by the hash of their token: a signature costs more than the rest of a decision. */
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
