import { askedGrant } from '../domain/asked-grant.ts';
import type { Client } from '../domain/client.ts';
import type { Faults } from '../domain/errors.ts';
import type { Grant } from '../domain/grant.ts';
import type { Mounts } from '../domain/mount.ts';
import type { Rejection } from '../domain/signed.ts';
import { foreignClaims } from './claims.ts';
import { faultReason, shapeReason } from './reason.ts';

/**
 * What a token allows that another issuer signed, or why it is not good: it may ask for more than that
 * issuer may. Its claims are held to all that a request for a token is held to.
 */
export function foreignGrant(
  payload: unknown,
  client: Client,
  mounts: Mounts,
  leeway: number,
  now: number,
): { jti: string; grant: Grant; until: number } | Rejection {
  const parsed = foreignClaims.safeParse(payload);
  if (!parsed.success) return { reason: shapeReason(parsed.error) };
  const {
    iss: _,
    aud,
    nbf,
    sub: subject,
    iat,
    exp,
    jti,
    start_by: startBy,
    ...fields
  } = parsed.data;
  const faults: Faults = { malformed: [], beyond: [] };
  const starts = startBy ?? exp;
  const life = Math.ceil(starts - iat);
  // From a clock that is ahead it may be a little younger than now, not older than it says.
  if (iat > now / 1000 + leeway) return { reason: 'iat: is later than now' };
  if (starts > exp) return { reason: 'start_by: is later than exp' };
  if (life < 1) return { reason: 'exp: is not later than iat' };
  // To the millisecond: until then, and no longer, it is known that it was revoked.
  if (exp + leeway <= now / 1000) return { reason: 'exp: has passed' };
  const request = { ...fields, subject, expires_in: life };
  // Of counted tokens without a resume_for a requester goes on until the end.
  const defaults = { expiresIn: life, resumeFor: Math.floor(exp - starts) };
  const asked = askedGrant(request, client, { mounts, defaults }, '', faults);
  if (asked === undefined || faults.malformed.length > 0 || faults.beyond.length > 0) {
    return { reason: faultReason(faults) };
  }
  // Where nobody is told from another all may start until the end, so that is what is held to the maximum.
  if (asked.grant.uses === undefined && starts !== exp) {
    return { reason: 'start_by: needs max_uses or resume_for' };
  }
  // Past its own maximum nothing of it goes on, whatever it says.
  if (exp - starts > client.maxResumeFor) {
    return { reason: `exp: must be at most ${client.maxResumeFor} seconds after start_by` };
  }
  // Whole milliseconds: Redis takes no others.
  const times = {
    issuedAt: Math.floor(iat * 1000),
    expiresAt: Math.floor(starts * 1000),
    signedUntil: Math.ceil(exp * 1000),
  };
  return { jti, grant: { ...asked.grant, ...times, foreign: true }, until: (exp + leeway) * 1000 };
}
