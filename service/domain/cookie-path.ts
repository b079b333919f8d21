import { type Grant, isFolder } from './grant.ts';
import type { Mount } from './mount.ts';
import type { Requested } from './request-uri.ts';

/** Browsers ignore a longer one (RFC 6265bis, section 5.6). */
export const MAX_COOKIE_PATH_LENGTH = 1024;

/**
 * The path of the cookie that holds the token: the folder that the grant covers, as the client
 * spells it, without the token's segment. Undefined where a cookie cannot have it: a wider one would
 * show the token to what it does not cover.
 */
export function tokenCookiePath(requested: Requested, { covers }: Grant): string | undefined {
  const spelt = requested.tokenlessPath.split('/');
  const path = `${spelt.slice(0, depthOf(covers)).join('/')}/`;
  return legal(path) === path ? path : undefined;
}

/**
 * The path of the resume cookie: what the grant covers, as the client spells it; with the token's
 * segment, which its next URLs have as well. A wider folder where a cookie cannot have that: alone it
 * is worth nothing.
 */
export function resumeCookiePath(requested: Requested, mount: Mount, grant: Grant): string {
  const { rawPath, tokenlessPath } = requested;
  if (!isFolder(grant.covers) || mount.pathArgument !== undefined) return legal(rawPath);
  const spelt = rawPath.split('/');
  if (tokenlessPath === rawPath)
    return legal(`${spelt.slice(0, depthOf(grant.covers)).join('/')}/`);
  // Its next URLs may have the segment or, with the token in a cookie, not.
  const depth = grant.cookie ? depthOf(mount.prefix) : depthOf(grant.covers) + 1;
  return legal(`${spelt.slice(0, depth).join('/')}/`);
}

/** How many parts a folder's path has before its last slash; the first is empty. */
function depthOf(folder: string): number {
  return folder.split('/').length - 1;
}

/** Cut back to a folder where the path holds what ends it in a cookie, or is too long. */
function legal(path: string): string {
  const end = path.search(/[^\x21-\x3a\x3c-\x7e]/);
  const length = Math.min(end < 0 ? path.length : end, MAX_COOKIE_PATH_LENGTH);
  return length === path.length ? path : path.slice(0, path.lastIndexOf('/', length - 1) + 1);
}
