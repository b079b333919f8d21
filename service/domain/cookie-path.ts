import { type Grant, isFolder } from './grant.ts';
import type { Mount } from './mount.ts';
import type { Requested } from './request-uri.ts';

/** Browsers ignore a longer path (RFC 6265bis, section 5.6). */
export const MAX_COOKIE_PATH_LENGTH = 1024;

/**
 * The path of the token cookie: the covered folder as the client spells it, without the token's
 * segment. Undefined if a cookie cannot have this path: a wider path would send the token with requests
 * that it does not cover.
 */
export function tokenCookiePath(requested: Requested, { covers }: Grant): string | undefined {
  const path = firstSegments(requested.tokenlessPath, depthOf(covers));
  return validPart(path) === path ? path : undefined;
}

/**
 * The path of the resume cookie: what the grant covers as the client spells it, with the token's
 * segment, which the client's next URLs have too. A wider folder if a cookie cannot have this path:
 * without the token the cookie is worthless.
 */
export function resumeCookiePath(requested: Requested, mount: Mount, grant: Grant): string {
  const { rawPath, tokenlessPath } = requested;
  if (!isFolder(grant.covers) || mount.pathArgument !== undefined) return validPart(rawPath);
  if (tokenlessPath === rawPath) return validPart(firstSegments(rawPath, depthOf(grant.covers)));
  // With a token cookie, the next URLs may lack the token's segment.
  const depth = grant.cookie ? depthOf(mount.prefix) : depthOf(grant.covers) + 1;
  return validPart(firstSegments(rawPath, depth));
}

function firstSegments(path: string, count: number): string {
  return `${path.split('/').slice(0, count).join('/')}/`;
}

/** Number of segments before a folder's last slash, including the empty first one. */
function depthOf(folder: string): number {
  return folder.split('/').length - 1;
}

/** Cuts a path back to a folder if it is too long or has a character that ends it in a cookie. */
function validPart(path: string): string {
  const end = path.search(/[^\x21-\x3a\x3c-\x7e]/);
  const length = Math.min(end < 0 ? path.length : end, MAX_COOKIE_PATH_LENGTH);
  return length === path.length ? path : path.slice(0, path.lastIndexOf('/', length - 1) + 1);
}
