import { coversPath, type Grant, isFolder } from './grant.ts';
import type { Mount, Mounts } from './mount.ts';
import { MAX_PATH_BYTES } from './path.ts';
import { parseRequestUri } from './request-uri.ts';
import { type Store, StoreUnavailable } from './store.ts';
import { isToken, tokenId } from './token.ts';

/** What nginx tells of the client's request; strings hold one character a byte. */
export interface GateRequest {
  /** `$request_uri`: raw, with the query. */
  readonly uri: string;
  readonly method: string;
  /** `$server_name`. */
  readonly site: string;
  readonly authorization: string | undefined;
  /** The token that a cookie holds. */
  readonly cookie: string | undefined;
  /** Whether a browser fetches the script of a service worker. */
  readonly serviceWorker: boolean;
}

export type DenyCode =
  | 'missing_token'
  | 'invalid_token'
  | 'insufficient_scope'
  | 'prefetch'
  | 'invalid_request'
  | 'unavailable';

export interface Allow {
  readonly allow: true;
  readonly id: string;
  readonly grant: Grant;
  readonly path: string;
  /** The internal URI, decoded. */
  readonly target: string;
  /** Its query, encoded, without `?`; may be empty. */
  readonly args: string;
  /** Seconds for which nginx may reuse the decision. */
  readonly reuseFor: number;
}

export interface Deny {
  readonly allow: false;
  readonly code: DenyCode;
  readonly id?: string;
  readonly path?: string;
  readonly subject?: string | undefined;
  /** Why the store was unavailable. */
  readonly cause?: unknown;
}

export type Decision = Allow | Deny;

export interface AuthorizeOptions {
  readonly mounts: Mounts;
  readonly store: Store;
  /** Longest time, in seconds, for which nginx may reuse an allow. */
  readonly decisionTtl: number;
  readonly now: () => number;
}

export type Authorize = (request: GateRequest) => Promise<Decision>;

/** Decides on requests for files. One round trip to the store, and none where no token came. */
export function createAuthorize(options: AuthorizeOptions): Authorize {
  const { mounts, store, decisionTtl, now } = options;
  return async function authorize(request) {
    const site = request.site.toLowerCase();
    const requested = parseRequestUri(request.uri, site, mounts);
    if (requested === undefined) return { allow: false, code: 'invalid_request' };
    const { mount, path, args } = requested;
    const token = requested.token ?? bearer(request.authorization) ?? shaped(request.cookie);
    if (token === undefined) return { allow: false, code: 'missing_token', path };

    const id = tokenId(token);
    let grant: Grant | undefined;
    try {
      grant = await store.find(id);
    } catch (cause) {
      if (!(cause instanceof StoreUnavailable)) throw cause;
      return { allow: false, code: 'unavailable', id, path, cause };
    }
    if (grant === undefined) return { allow: false, code: 'invalid_token', id, path };
    if (mount === undefined || !inScope(grant, mount, path, site, request.method)) {
      return { allow: false, code: 'insufficient_scope', id, path, subject: grant.subject };
    }
    const target = targetOf(grant, mount, path);
    // A folder's own target may be longer than its public prefix.
    if (Buffer.byteLength(target) > MAX_PATH_BYTES) {
      return { allow: false, code: 'invalid_request', id, path };
    }
    // A script that a download registers could answer for the site from then on.
    if (request.serviceWorker) {
      return { allow: false, code: 'prefetch', id, path, subject: grant.subject };
    }

    // One second less: nginx counts whole seconds, so an answer may live that much longer.
    const left = Math.floor((grant.expiresAt - now()) / 1000) - 1;
    const reuseFor = Math.max(0, Math.min(decisionTtl, left));
    return { allow: true, id, grant, path, target, args, reuseFor };
  };
}

function inScope(grant: Grant, mount: Mount, path: string, site: string, method: string): boolean {
  return (
    grant.mount === mount.id &&
    (grant.site === undefined || grant.site === site) &&
    coversPath(grant.covers, path) &&
    (method === 'GET' || method === 'HEAD')
  );
}

function targetOf(grant: Grant, mount: Mount, path: string): string {
  if (grant.target === undefined) return mount.internal + path.slice(mount.prefix.length);
  return isFolder(grant.covers) ? grant.target + path.slice(grant.covers.length) : grant.target;
}

function bearer(authorization: string | undefined): string | undefined {
  const match = authorization && /^bearer +(\S+)$/i.exec(authorization);
  return match ? shaped(match[1]) : undefined;
}

function shaped(credential: string | undefined): string | undefined {
  return credential !== undefined && isToken(credential) ? credential : undefined;
}
