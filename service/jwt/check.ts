import { errors, type JWTPayload, type JWTVerifyOptions, jwtVerify } from 'jose';
import type { Rejection } from '../domain/signed.ts';
import type { FoundKey, KeySource } from './key-source.ts';
import { reasonOf } from './reason.ts';

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
