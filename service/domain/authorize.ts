import { isWithin } from './address.ts';
import { resumeCookiePath, tokenCookiePath } from './cookie-path.ts';
import { cookieTokens, tokensOf } from './credentials.ts';
import type { Allow, Decision, Deny, DenyCode, GateRequest } from './decision.ts';
import { coversPath, type Grant, isFolder } from './grant.ts';
import type { LookUp } from './look-up.ts';
import type { Mount, Mounts } from './mount.ts';
import { MAX_PATH_BYTES } from './path.ts';
import { parseRequestUri, type Requested } from './request-uri.ts';
import { present } from './requester.ts';
import { type Store, StoreUnavailable } from './store.ts';
import { isOpaque, tokenId } from './token.ts';

export interface AuthorizeOptions {
  readonly mounts: Mounts;
  readonly store: Store;
  readonly lookUp: LookUp;
  /** Longest time, in seconds, for which nginx may reuse an allow. */
  readonly decisionTtl: number;
  readonly now: () => number;
}

export type Authorize = (request: GateRequest) => Promise<Decision>;

/**
 * Decides on requests for files. One round trip to the store, two where requesters are told apart,
 * and none where no token came, or one that the store does not keep.
 */
export function createAuthorize(options: AuthorizeOptions): Authorize {
  const { mounts, store, lookUp, decisionTtl, now } = options;

  return async function authorize(request) {
    const requested = parseRequestUri(request.uri, request.site.toLowerCase(), mounts);
    if (requested === undefined) return deny('invalid_request');
    const { path } = requested;
    let denial: Deny | undefined;
    for (const token of tokensOf(request, requested.token)) {
      try {
        const decision = await decide(request, requested, token);
        if (decision.allow) return decision;
        denial ??= decision;
      } catch (cause) {
        if (!(cause instanceof StoreUnavailable)) throw cause;
        return deny('unavailable', {
          id: isOpaque(token) ? tokenId(token) : undefined,
          path,
          cause,
        });
      }
    }
    return denial ?? deny('missing_token', { path });
  };

  async function decide(
    request: GateRequest,
    requested: Requested,
    token: string,
  ): Promise<Decision> {
    const { mount, path, args } = requested;
    const { id, grant, unknown } = await lookUp(token);
    if (id === undefined || grant === undefined) return deny('invalid_token', { id, path });
    const { subject, uses } = grant;
    if (mount === undefined || !inScope(grant, mount, requested, request)) {
      return deny('insufficient_scope', { id, path, subject });
    }
    const target = targetOf(grant, mount, path);
    // A folder's own target may be longer than its public prefix.
    if (Buffer.byteLength(target) > MAX_PATH_BYTES) return deny('invalid_request', { id, path });
    // A script that a download registers could answer for the site from then on. And what is
    // fetched ahead nobody may ever look at, but the use would be gone.
    if (request.serviceWorker || (request.prefetch && uses !== undefined)) {
      return deny('prefetch', { id, path, subject });
    }
    const allow: Allow = { allow: true, id, grant, path, target, args, reuseFor: 0 };
    const cookie =
      grant.cookie && !cookieTokens(request.cookie).includes(token)
        ? { tokenCookie: { value: token, path: tokenCookiePath(requested, mount, grant) } }
        : undefined;
    if (uses === undefined) {
      // One second less: nginx counts whole seconds, so an answer may live that much longer.
      const left = Math.floor((grant.expiresAt - now()) / 1000) - 1;
      return { ...allow, ...cookie, reuseFor: Math.max(0, Math.min(decisionTtl, left)) };
    }

    const counts = request.method === 'GET';
    const { requester, resumeCookie: value } = present(request.resume, request.address);
    if (unknown) await store.adopt(id, grant);
    const redeemed = await store.redeem(id, requester, counts);
    if (redeemed === undefined) return deny('invalid_token', { id, path, subject, refused: true });
    if (redeemed === 'known' || !counts) return { ...allow, ...cookie, redeemed };
    const resumeCookie = { value, path: resumeCookiePath(requested, mount, grant) };
    return { ...allow, ...cookie, redeemed, resumeCookie };
  }
}

function deny(code: DenyCode, known: Omit<Deny, 'allow' | 'code'> = {}): Deny {
  return { allow: false, code, ...known };
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
