import { isWithin } from './address.ts';
import type { DenyCode, GateRequest } from './decision.ts';
import { coversPath, type Grant, isFolder } from './grant.ts';
import type { Mount, Mounts } from './mount.ts';
import { MAX_PATH_BYTES } from './path.ts';
import type { Requested } from './request-uri.ts';
import { isServed } from './target.ts';

/** Where a grant leads a request, or why it does not cover it. */
export type Fit = { readonly mount: Mount; readonly target: string } | DenyCode;

export function fitOf(
  grant: Grant,
  requested: Requested,
  request: GateRequest,
  mounts: Mounts,
): Fit {
  const { mount, path, site } = requested;
  if (mount === undefined || !inScope(grant, mount, requested, request)) {
    return 'insufficient_scope';
  }
  // The mount that the target was named under may be gone, or may serve another site only.
  if (grant.target !== undefined && !isServed(grant.target, site, mounts)) {
    return 'insufficient_scope';
  }
  const target = targetOf(grant, mount, path);
  // A folder's own target may be longer than its public prefix.
  if (Buffer.byteLength(target) > MAX_PATH_BYTES) return 'invalid_request';
  // A script that a download registers could answer for the site from then on. And what is fetched
  // ahead nobody may ever look at, but the use would be gone.
  if (request.serviceWorker || (request.prefetch && grant.uses !== undefined)) return 'prefetch';
  return { mount, target };
}

function inScope(
  grant: Grant,
  mount: Mount,
  { site, path }: Requested,
  { method, address = '' }: GateRequest,
): boolean {
  return (
    grant.mount === mount.id &&
    (grant.site === undefined || grant.site === site) &&
    coversPath(grant.covers, path) &&
    (method === 'GET' || method === 'HEAD') &&
    (grant.ip === undefined || isWithin(address, grant.ip))
  );
}

function targetOf(grant: Grant, mount: Mount, path: string): string {
  if (grant.target === undefined) return mount.internal + path.slice(mount.prefix.length);
  return isFolder(grant.covers) ? grant.target + path.slice(grant.covers.length) : grant.target;
}
