import { createHash } from 'node:crypto';
import { errors, type JWTPayload, type JWTVerifyOptions, jwtVerify } from 'jose';
import type { Client } from '../domain/client.ts';
import { CLOCKS_APART_MS } from '../domain/grant.ts';
import type { Rejection, Verified, Verify } from '../domain/look-up.ts';
import type { Mounts } from '../domain/mount.ts';
import { JWT_TYPE, jwtId } from '../domain/token.ts';
import { foreignGrant, grantOf, ownClaims } from './claims.ts';
import { type FoundKey, type KeySource, type OwnKeys, saidOf } from './keys.ts';
import { reasonOf, shapeReason } from './reason.ts';
import { OWN_AUDIENCE } from './sign.ts';

/** Someone who signs download tokens, and never asks us for one. */
export interface DownloadIssuer {
  /** `iss`, and the `aud` that its tokens name for us. */
  readonly issuer: string;
  readonly audience: string;
  readonly keys: KeySource;
  /** How far its tokens go. */
  readonly client: Client;
}

export interface VerifyOptions {
  /** Absent: no keys of our own are configured. */
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

/** Verifies download tokens, ours and those of trusted issuers, and remembers those that are good. */
export function createVerify({ own, issuers, mounts, leeway, now }: VerifyOptions): Verify {
  const memory = createMemory<Verified>(now);
  const byIssuer = new Map(issuers.map((issuer) => [issuer.issuer, issuer]));
  const common = { typ: JWT_TYPE, leeway };
  let generation = own?.keys.generation();

  return async function verify(token, revoking = false) {
    if (own?.keys.generation() !== generation) {
      generation = own?.keys.generation();
      memory.clear();
    }
    const known = memory.get(token);
    if (known !== undefined) return known;
    const began = generation;
    const { iss: issuer, begins, ends } = saidOf(token);
    const at = revoking ? nearest(now(), begins, ends) : now();
    const foreign = issuer === undefined ? undefined : byIssuer.get(issuer);
    const verified =
      own && issuer === own.issuer
        ? await verifyOwn(token, own, at)
        : foreign && (await verifyForeign(token, foreign, at));
    if (verified === undefined) return { reason: UNKNOWN_ISSUER };
    if ('reason' in verified) return { ...verified, issuer: issuer as string };
    const [good, until] = verified;
    // Not what a key verified that was taken out meanwhile, nor what is not good now.
    if (!revoking && own?.keys.generation() === began) memory.set(token, good, until);
    return good;
  };

  async function verifyOwn(
    token: string,
    { issuer, keys }: NonNullable<VerifyOptions['own']>,
    at: number,
  ): Promise<[Verified, Until] | Rejection> {
    const source: KeySource = async ({ kid }) => {
      const key = keys.find(kid);
      return key && { key: key.verify, alg: key.alg };
    };
    const requiredClaims = ['jti', 'iat', 'nbf', 'exp'];
    const options = { ...common, issuer, audience: OWN_AUDIENCE, requiredClaims, now: () => at };
    const checked = await checkJwt(token, source, options);
    if ('reason' in checked) return checked;
    const { data: claims, error } = ownClaims.safeParse(checked.claims);
    if (claims === undefined) return { reason: shapeReason(error) };
    const id = jwtId(issuer, claims.jti);
    // Clocks apart are forgiven where it begins. Where it ends is where it was said to.
    const until = claims.exp * 1000;
    if (until <= at) return { reason: 'exp: has passed' };
    if (claims.revocable !== false) return [{ id, recorded: 'required' }, until];
    const grant = grantOf(claims);
    if (grant === undefined) return { reason: 'revocable: is false, and uses are to be counted' };
    return [{ id, recorded: 'never', grant }, until];
  }

  async function verifyForeign(
    token: string,
    { issuer, audience, keys, client }: DownloadIssuer,
    at: number,
  ): Promise<[Verified, Until] | Rejection> {
    const requiredClaims = ['jti', 'iat', 'exp'];
    const options = { ...common, issuer, audience, requiredClaims, now: () => at };
    const checked = await checkJwt(token, keys, options);
    if ('reason' in checked) return checked;
    const found = foreignGrant(checked.claims, client, mounts, leeway, at);
    if ('reason' in found) return found;
    const { jti, grant, until } = found;
    return [{ id: jwtId(issuer, jti), recorded: 'optional', grant }, until];
  }
}

/**
 * When a token that is to be revoked is verified: the moment nearest to now at which it is good. The clock
 * of another instance may read that moment, and a token that has not begun will be good later.
 */
function nearest(now: number, begins: number, ends: number): number {
  return Math.min(Math.max(now, begins), Math.max(ends - 1, now - CLOCKS_APART_MS));
}

export interface CheckOptions {
  readonly issuer: string;
  readonly audience: string;
  /** Of the header, where it matters. */
  readonly typ?: string;
  readonly requiredClaims: string[];
  /** Seconds of difference between clocks that are forgiven. */
  readonly leeway: number;
  readonly now: () => number;
}

/** RFC 7518, section 3.3. Of itself the library would throw what is no fault of the token's. */
function isShort(key: FoundKey['key']): boolean {
  if (key instanceof Uint8Array) return false;
  const { modulusLength = 2048 } = key.algorithm as { modulusLength?: number };
  return modulusLength < 2048;
}

/**
 * The claims of a JWT whose signature, issuer, audience and times hold (RFC 8725), or what does not.
 * The algorithm is that of the key; `jku`, `x5u` and `jwk` of a header are not looked at, and one
 * with `crit` is refused.
 */
export async function checkJwt(
  token: string,
  keys: KeySource,
  options: CheckOptions,
): Promise<{ readonly claims: JWTPayload } | Rejection> {
  const { leeway, now, ...more } = options;
  const common: JWTVerifyOptions = {
    ...more,
    clockTolerance: leeway,
    currentDate: new Date(now()),
  };
  try {
    const { payload } = await jwtVerify(
      token,
      async (header) => {
        // The library itself accepts one that names b64.
        if (header.crit !== undefined) throw new errors.JOSENotSupported('crit');
        const found = await keys(header);
        if (found === undefined) throw new errors.JWKSNoMatchingKey();
        if (header.alg !== found.alg || isShort(found.key)) throw new errors.JOSEAlgNotAllowed();
        return found.key;
      },
      common,
    );
    return { claims: payload };
  } catch (error) {
    if (error instanceof errors.JOSEError) return { reason: reasonOf(error) };
    throw error;
  }
}

/** Measured: 4 to 7 MB, and 31 MB where each token is almost as long as one may be. */
const MOST = 10_000;

/** Past this a key may have been withdrawn meanwhile. */
const LONGEST_MS = 300_000;

interface Remembered<T> {
  readonly value: T;
  readonly until: number;
}

/**
 * Results by the hash of what they came from, for a while, and the latest of them: a signature costs
 * more to verify than all the rest of a decision.
 */
export function createMemory<T>(now: () => number) {
  const results = new Map<string, Remembered<T>>();
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
      // Requests that came together may each have verified it: it takes one place, the latest.
      results.delete(key);
      if (results.size >= MOST) results.delete(results.keys().next().value as string);
      results.set(key, { value, until: Math.min(until, now() + LONGEST_MS) });
    },
    clear: () => results.clear(),
  };
}

function keyOf(token: string): string {
  return createHash('sha256').update(token).digest('base64url');
}
