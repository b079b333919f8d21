import type { JWTPayload } from 'jose';
import { z } from 'zod';
import type { Client } from '../domain/client.ts';
import type { Faults } from '../domain/errors.ts';
import { type Grant, isFolder } from '../domain/grant.ts';
import { type ClaimName, KEPT_FIELDS, keptFieldsOf } from '../domain/grant-fields.ts';
import { askedGrant } from '../domain/grant-request.ts';
import type { Rejection } from '../domain/look-up.ts';
import type { Mounts } from '../domain/mount.ts';
import { fieldSchemas, text } from '../schema.ts';
import { faultReason, shapeReason } from './reason.ts';

/** Seconds since the epoch (RFC 7519, NumericDate), with or without a fraction. */
const date = z.number().min(0).max(1e11);

const registered = {
  iss: z.string(),
  aud: z.union([z.string(), z.array(z.string())]),
  sub: text(256).optional(),
  iat: date,
  nbf: date.optional(),
  exp: date,
  jti: text(256),
};

/** The fields that a claim of the same name carries; `subject` is `sub`, a registered claim. */
const claimSchemas = fieldSchemas<ClaimName>(({ claim }) => claim === undefined);

/**
 * What a download token says that others sign. Strict: a claim that nobody knows may be a limit that
 * was misspelt, and would open more than was meant.
 */
export const foreignClaims = z.strictObject({
  ...registered,
  ...claimSchemas,
  /** Where `resume_for` outlives it: until when a new requester is admitted. */
  start_by: date.optional(),
});

/** And those of our own. */
export const ownClaims = foreignClaims.extend({
  client_id: z.string(),
  mount: z.string(),
  /** Only ever false: nothing of it is kept in the store. */
  revocable: z.literal(false).optional(),
});

export type ForeignClaims = z.infer<typeof foreignClaims>;
export type OwnClaims = z.infer<typeof ownClaims>;

/** A grant as claims, under the names that the API has for its fields. */
export function claimsOf(grant: Grant, recorded: boolean): JWTPayload {
  const { covers, uses, issuedAt, expiresAt, signedUntil = expiresAt } = grant;
  const iat = Math.floor(issuedAt / 1000);
  return {
    iat,
    nbf: iat,
    // Where the store keeps it, that says to the millisecond when it ends.
    exp: (recorded ? Math.ceil : Math.floor)(signedUntil / 1000),
    client_id: grant.client,
    mount: grant.mount,
    [isFolder(covers) ? 'prefix' : 'path']: covers,
    ...(uses && {
      max_uses: uses.max,
      resume_for: uses.resumeFor,
      bind: uses.cookieOnly ? 'cookie' : 'any',
      start_by: Math.ceil(expiresAt / 1000),
    }),
    ...keptClaimsOf(grant),
    ...(!recorded && { revocable: false }),
  } as JWTPayload;
}

/**
 * The grant of a token of which nothing is kept; undefined if the claims stand for none. Uses cannot
 * be counted without the store, so there must be none to count.
 */
export function grantOf(claims: OwnClaims): Grant | undefined {
  const { path, prefix } = claims;
  const covers = path ?? prefix;
  if (covers === undefined || isFolder(covers) !== (prefix !== undefined)) return undefined;
  if (claims.max_uses !== undefined || claims.resume_for !== undefined) return undefined;
  return {
    client: claims.client_id,
    mount: claims.mount,
    covers,
    ...keptFieldsOf(claims, ({ claim }) => claim),
    issuedAt: claims.iat * 1000,
    expiresAt: claims.exp * 1000,
    signedUntil: claims.exp * 1000,
  };
}

function keptClaimsOf(grant: Grant): Record<string, unknown> {
  const claims: Record<string, unknown> = {};
  for (const { property, claim } of KEPT_FIELDS) {
    if (claim !== false && grant[property] !== undefined) claims[claim] = grant[property];
  }
  return claims;
}

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
