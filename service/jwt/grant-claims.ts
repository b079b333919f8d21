import type { JWTPayload } from 'jose';
import { type Grant, isFolder } from '../domain/grant.ts';
import type { OwnClaims } from './claims.ts';

/** A grant as claims, under the names that the API has for its fields. */
export function claimsOf(grant: Grant, recorded: boolean): JWTPayload {
  const { covers, uses, issuedAt, expiresAt, signedUntil = expiresAt } = grant;
  const iat = Math.floor(issuedAt / 1000);
  return {
    sub: grant.subject,
    iat,
    nbf: iat,
    // Where the store keeps it, that says to the millisecond when it ends.
    exp: (recorded ? Math.ceil : Math.floor)(signedUntil / 1000),
    client_id: grant.client,
    mount: grant.mount,
    [isFolder(covers) ? 'prefix' : 'path']: covers,
    site: grant.site,
    target: grant.target,
    ...(uses && {
      max_uses: uses.max,
      resume_for: uses.resumeFor,
      bind: uses.cookieOnly ? 'cookie' : 'any',
      start_by: Math.ceil(expiresAt / 1000),
    }),
    ip: grant.ip,
    filename: grant.filename,
    disposition: grant.disposition,
    limit_rate: grant.limitRate,
    cookie: grant.cookie,
    ...(!recorded && { revocable: false }),
  } as JWTPayload;
}

/**
 * The grant of a token of which nothing is kept; undefined if the claims stand for none. Uses cannot
 * be counted without the store, so there must be none to count.
 */
export function grantOf(claims: OwnClaims): Grant | undefined {
  const { path, prefix, site, sub, target, filename, disposition, limit_rate: limitRate } = claims;
  const covers = path ?? prefix;
  if (covers === undefined || isFolder(covers) !== (prefix !== undefined)) return undefined;
  if (claims.max_uses !== undefined || claims.resume_for !== undefined) return undefined;
  return {
    client: claims.client_id,
    mount: claims.mount,
    ...(site !== undefined && { site }),
    covers,
    ...(sub !== undefined && { subject: sub }),
    ...(target !== undefined && { target }),
    ...(filename !== undefined && { filename }),
    ...(disposition !== undefined && { disposition }),
    ...(limitRate !== undefined && { limitRate }),
    ...(claims.ip !== undefined && { ip: claims.ip }),
    ...(claims.cookie && { cookie: true }),
    issuedAt: claims.iat * 1000,
    expiresAt: claims.exp * 1000,
    signedUntil: claims.exp * 1000,
  };
}
