import { isWithin } from '../address.ts';
import { isServed, type Mount, type Mounts } from '../paths/mount.ts';
import { MAX_PATH_BYTES, pathError, prefixError } from '../paths/path.ts';
import { coversPath, type Grant, isFolder } from '../token/grant.ts';
import { isSameOrigin } from './confirm.ts';
import type { GateRequest } from './decision.ts';
import type { Requested } from './request-uri.ts';

/**
 * The internal URI of a request, or why the grant does not cover the request.
 *
 * @example
 * ```ts
 * resolveTarget(grant, requested, request, mounts); // 'insufficient_scope', or { mount, target: '/protected/a.pdf' }
 * ```
 */
export function resolveTarget(
  grant: Grant,
  requested: Requested,
  request: GateRequest,
  mounts: Mounts,
) {
  const { mount, path, site } = requested;
  const { method, address = '', confirmation } = request;
  const notCovered = isFolder(path) ? 'path_is_folder' : 'insufficient_scope';
  const isInScope =
    mount !== undefined &&
    grant.mount === mount.id &&
    (grant.site === undefined || grant.site === site) &&
    coversPath(grant.covers, path) &&
    !isHidden(grant, path) &&
    (confirmation === undefined ? method === 'GET' || method === 'HEAD' : grant.confirm === true) &&
    (grant.ip === undefined || isWithin(address, grant.ip));
  if (!isInScope) return notCovered;
  // The mount of the target may have been removed, or may serve only another site.
  if (grant.target !== undefined && !isServed(grant.target, mount, site, mounts)) return notCovered;
  // The object store may have been added to the mount after the token was issued.
  if (grant.targetArgs !== undefined && mount.sign !== undefined) return notCovered;
  // Relative links need the final slash of the folder in the URL, not in an argument, and not after a token.
  const opensFolders =
    (grant.index || (grant.listing && mount.sign === undefined)) &&
    mount.pathArgument === undefined &&
    requested.rawPath.endsWith('/');
  if (isFolder(path) && !opensFolders) return notCovered;
  const isListed = isFolder(path) && !grant.index;
  const target = targetOf(grant, mount, path) + (isFolder(path) && grant.index ? 'index.html' : '');
  // The target of a folder may be longer than its public prefix.
  if (Buffer.byteLength(target) > MAX_PATH_BYTES) return 'invalid_request';
  // Checked at issue as well. A stored record may be older than the check, or not written by Postern.
  if (grant.target !== undefined && (isListed ? prefixError : pathError)(target) !== undefined) {
    return notCovered;
  }
  // A downloaded service worker could answer for the whole site. A prefetch would waste a use.
  if (request.serviceWorker || (request.prefetch && grant.uses !== undefined)) return 'prefetch';
  if (confirmation && !isSameOrigin(confirmation)) return 'cross_origin';
  return { mount, target, ...(isListed && { listing: listedName(grant, path) }) };
}

/** The path of a folder from the name of the covered folder: `hls`, `hls/part-1`. */
function listedName({ covers }: Grant, path: string): string {
  return path.slice(covers.slice(0, -1).lastIndexOf('/') + 1, -1);
}

/** nginx does not list names that begin with a dot, but a requester could guess them. */
function isHidden({ listing, covers }: Grant, path: string): boolean {
  return listing === true && /(?:^|\/)\./.test(path.slice(covers.length));
}

function targetOf(grant: Grant, mount: Mount, path: string): string {
  if (grant.target === undefined) return mount.internal + path.slice(mount.prefix.length);
  return isFolder(grant.covers) ? grant.target + path.slice(grant.covers.length) : grant.target;
}
