import { type Grant, isFolder, resumableUntil, type Uses } from '../domain/grant.ts';

/** A grant as the API shows it: the fields it was issued with, and its times in whole seconds. */
export function stateOf(id: string, grant: Grant) {
  const { client, site, covers, subject, target, filename, disposition, limitRate } = grant;
  return {
    id,
    client_id: client,
    [isFolder(covers) ? 'prefix' : 'path']: covers,
    site,
    subject,
    target,
    ...(grant.uses !== undefined && usesOf(grant.uses)),
    ip: grant.ip,
    filename,
    disposition,
    limit_rate: limitRate,
    cookie: grant.cookie,
    format: grant.signedUntil === undefined ? undefined : 'jwt',
    iat: seconds(grant.issuedAt),
    exp: seconds(grant.expiresAt),
  };
}

function usesOf(uses: Uses) {
  const { max, resumeFor, cookieOnly, requesters } = uses;
  const last = requesters.at(-1);
  return {
    max_uses: max,
    uses_left: max === undefined ? undefined : max - requesters.length,
    resume_for: resumeFor,
    bind: cookieOnly ? 'cookie' : 'any',
    // When the last of them can no longer go on, where that is after `exp`.
    resumable_until: last && seconds(resumableUntil(uses, last)),
    requesters: requesters.map((requester) => ({
      address: requester.address,
      began: seconds(requester.began),
      resumable_until: seconds(resumableUntil(uses, requester)),
    })),
  };
}

function seconds(milliseconds: number): number {
  return Math.floor(milliseconds / 1000);
}
