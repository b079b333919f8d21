import { type Grant, isFolder } from '../domain/grant.ts';

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
    filename,
    disposition,
    limit_rate: limitRate,
    iat: Math.floor(grant.issuedAt / 1000),
    exp: Math.floor(grant.expiresAt / 1000),
  };
}
