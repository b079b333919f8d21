import { errors, type JWTPayload, jwtVerify } from 'jose';
import type { z } from 'zod';
import type { Rejection } from '../token/look-up.ts';
import type { RequestErrors } from '../token/refused.ts';
import type { Key, KeySource } from './keys.ts';

interface CheckOptions {
  readonly issuer: string;
  readonly audience: string;
  readonly typ?: string;
  readonly requiredClaims: string[];
  /** Tolerated clock difference in seconds. */
  readonly leeway: number;
  /** The time of the check, in milliseconds since the epoch. */
  readonly at: number;
}

/**
 * Checks a JWT's signature, issuer, audience and times (RFC 8725), and returns its claims or the reason
 * for a rejection. The key determines the algorithm. The header's `jku`, `x5u` and `jwk` are ignored, and
 * `crit` is rejected.
 */
export async function checkJwt(
  token: string,
  keys: KeySource,
  { leeway, at, ...options }: CheckOptions,
): Promise<{ readonly claims: JWTPayload } | Rejection> {
  try {
    const { payload } = await jwtVerify(
      token,
      async (header) => {
        // The library accepts a `crit` that names b64.
        if (header.crit !== undefined) throw new errors.JOSENotSupported('crit');
        const found = await keys(header);
        if (found === undefined) throw new errors.JWKSNoMatchingKey();
        if (header.alg !== found.alg || isShort(found.verify)) throw new errors.JOSEAlgNotAllowed();
        return found.verify;
      },
      { ...options, clockTolerance: leeway, currentDate: new Date(at) },
    );
    return { claims: payload };
  } catch (error) {
    if (error instanceof errors.JOSEError) return { reason: joseReason(error) };
    throw error;
  }
}

/** RFC 7518, section 3.3. For a short key, the library throws an error that is not a JOSEError. */
function isShort(key: Key['verify']): boolean {
  const { modulusLength = 2048 } = key.algorithm as { modulusLength?: number };
  return modulusLength < 2048;
}

const CLAIMS: Readonly<Record<string, string>> = {
  iss: 'is another issuer',
  aud: 'does not name the audience of its issuer',
  typ: 'is not postern+jwt',
  nbf: 'is later than now',
  iat: 'is later than now',
  exp: 'has passed',
};

const CLAIM_FAILURES: Readonly<Record<string, string>> = {
  missing: 'is missing',
  invalid: 'has the wrong type',
};

const UNKNOWN = 'is not valid';

/** By the stable codes of jose's errors. */
const REASONS: Readonly<Record<string, string>> = {
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
  const why = reason === 'check_failed' ? CLAIMS[claim] : CLAIM_FAILURES[reason];
  return `${safeName(claim)}: ${why ?? UNKNOWN}`;
}

/** Names the first claim that is unknown or has an invalid form. */
export function schemaReason({ issues: [issue] }: z.ZodError): string {
  if (issue === undefined) return UNKNOWN;
  if (issue.code === 'unrecognized_keys') {
    return `${safeName(issue.keys[0] ?? '')}: is not a known claim`;
  }
  return `${safeName(issue.path.map(String).join('.'))}: ${issue.message}`;
}

/** Names the first claim that is invalid or that its issuer may not sign. */
export function errorsReason({ all: [first] }: RequestErrors): string {
  if (first === undefined) return UNKNOWN;
  const field = first.pointer.slice(1).replaceAll('/', '.');
  return `${CLAIM_OF_FIELD[field] ?? safeName(field)}: ${first.detail}`;
}

/** Fields of a request for a token whose claims have other names. */
const CLAIM_OF_FIELD: Readonly<Record<string, string>> = {
  '': 'path, prefix',
  expires_in: 'exp',
};

/** A claim's name comes from the token and may be any text. */
function safeName(name: string): string {
  return /^[\w:./-]{1,64}$/.test(name) ? name : 'a claim';
}
