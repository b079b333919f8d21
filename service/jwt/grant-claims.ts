import type { JWTPayload } from 'jose';
import { type Grant, isFolder } from '../domain/grant.ts';
import { KEPT_FIELDS, keptFieldsOf } from '../domain/grant-fields.ts';
import type { OwnClaims } from './claims.ts';

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
