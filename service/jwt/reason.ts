import { errors } from 'jose';
import type { z } from 'zod';
import type { Faults } from '../domain/errors.ts';

const CLAIMS: Readonly<Record<string, string>> = {
  iss: 'is another issuer',
  aud: 'does not name the audience of its issuer',
  typ: 'is not postern+jwt',
  nbf: 'is later than now',
  iat: 'is later than now',
  exp: 'has passed',
};

const UNKNOWN = 'is not valid';

/** Why jose rejects a JWT. Not its own message, which may quote the token. */
export function reasonOf(error: errors.JOSEError): string {
  if (error instanceof errors.JWTExpired) return 'exp: has passed';
  if (error instanceof errors.JWTClaimValidationFailed) {
    const { claim, reason } = error;
    const why = reason === 'check_failed' ? (CLAIMS[claim] ?? UNKNOWN) : WRONG[reason];
    return `${shown(claim)}: ${why ?? UNKNOWN}`;
  }
  if (error instanceof errors.JWKSNoMatchingKey)
    return 'kid: its issuer has no key with this kid and alg';
  if (error instanceof errors.JOSEAlgNotAllowed) {
    return 'alg: is not the algorithm of the key, or the key is an RSA key of less than 2048 bits';
  }
  if (error instanceof errors.JWSSignatureVerificationFailed) {
    return 'signature: does not match the key';
  }
  if (error instanceof errors.JOSENotSupported) return 'crit: is not supported';
  return 'is not a well-formed JWT';
}

const WRONG: Readonly<Record<string, string>> = {
  missing: 'is missing',
  invalid: 'has the wrong type',
};

/** The first claim that a download token cannot have, or not in this form. */
export function shapeReason({ issues: [issue] }: z.ZodError): string {
  if (issue === undefined) return UNKNOWN;
  if (issue.code === 'unrecognized_keys') {
    return `${shown(issue.keys[0] ?? '')}: is not a known claim`;
  }
  return `${shown(issue.path.map(String).join('.'))}: ${issue.message}`;
}

/** The first fault of claims that are not valid, or that their issuer may not sign. */
export function faultReason({ malformed, beyond }: Faults): string {
  const [fault] = [...malformed, ...beyond];
  if (fault === undefined) return UNKNOWN;
  const field = fault.pointer.slice(1).replaceAll('/', '.');
  return `${NAMES[field] ?? shown(field)}: ${fault.detail}`;
}

/** Fields of a request that are other claims in a token. */
const NAMES: Readonly<Record<string, string>> = {
  '': 'path, prefix',
  expires_in: 'exp',
};

/** The name of a claim comes from the token and may hold anything. */
function shown(name: string): string {
  return /^[\w:./-]{1,64}$/.test(name) ? name : 'a claim';
}
