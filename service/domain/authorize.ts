import { isWithin } from './address.ts';
import { resumeCookiePath, tokenCookiePath } from './cookie-path.ts';
import type { Deadline } from './deadline.ts';
import type { Allow, Cookie, Decision, Deny, DenyCode, GateRequest } from './decision.ts';
import { coversPath, type Grant, isFolder } from './grant.ts';
import type { LookUp } from './look-up.ts';
import type { Mount, Mounts } from './mount.ts';
import { MAX_PATH_BYTES, pathFault } from './path.ts';
import { parseRequestUri, type Requested } from './request-uri.ts';
import { present } from './requester.ts';
import { returnUrl } from './return-url.ts';
import { KeysUnavailable, type Store, Unavailable } from './store.ts';
import { isServed } from './target.ts';
import { isOpaque, isToken, tokenId } from './token.ts';

export interface AuthorizeOptions {
  readonly mounts: Mounts;
  readonly store: Store;
  readonly lookUp: LookUp;
  /** Longest time, in seconds, for which nginx may reuse an allow. */
  readonly decisionTtl: number;
}

/** Past the deadline it takes no use, and rejects. */
export type Authorize = (request: GateRequest, deadline?: Deadline) => Promise<Decision>;

/**
 * Decides on requests for files. For each token that is tried (of cookies up to four) one round trip
 * to the store, two where requesters are told apart, and none where the store does not keep it.
 */
export function createAuthorize(options: AuthorizeOptions): Authorize {
  const { mounts, store, lookUp, decisionTtl } = options;

  return async function authorize(request, deadline) {
    const requested = parseRequestUri(request.uri, request.site.toLowerCase(), mounts);
    if (requested === undefined) return deny('invalid_request');
    if (requested === 'folder') return deny('path_is_folder');
    const { path } = requested;
    let denial: Deny | undefined;
    let unavailable: Deny | undefined;
    for (const token of tokensOf(request, requested.token)) {
      if (deadline?.late) throw deadline.late;
      try {
        const decision = await decide(request, requested, token, deadline);
        if (decision.allow) return decision;
        denial ??= decision;
      } catch (cause) {
        if (!(cause instanceof Unavailable)) throw cause;
        const id = isOpaque(token) ? tokenId(token) : undefined;
        unavailable ??= deny('unavailable', { id, path, cause });
        if (!(cause instanceof KeysUnavailable)) return unavailable;
      }
    }
    if (unavailable !== undefined) return unavailable;
    const refused = denial ?? deny('missing_token', { path });
    return isLackOfToken(refused)
      ? { ...refused, returnUrl: returnUrl(request.uri, requested) }
      : refused;
  };

  async function decide(
    request: GateRequest,
    requested: Requested,
    token: string,
    deadline: Deadline | undefined,
  ): Promise<Decision> {
    const { path } = requested;
    const { id, grant, leftMs, unknown, rejection } = await lookUp(token);
    if (id === undefined || grant === undefined) {
      return deny('invalid_token', { id, path, rejection });
    }
    const known = { id, path, subject: grant.subject };
    const fit = fitOf(grant, requested, request, mounts);
    if (typeof fit === 'string') {
      // Whom it has no use for is told no more of it than of a token that nobody issued.
      const stranger = grant.uses && !unknown && !(await redeem(request, id, false)).redeemed;
      return deny(stranger ? 'invalid_token' : fit, known);
    }
    const { mount, target } = fit;
    // A presigned query is whole: one argument more and it would not be valid.
    const args = grant.targetArgs ?? requested.args;
    const reuseFor = isBound(grant) || isOneOfMany(grant, requested) ? 0 : reuseOf(leftMs);
    const plain: Allow = { allow: true, id, grant, path, target, args, reuseFor };
    const cookie = grant.cookie && tokenCookie(grant, request, requested, token);
    const allow = cookie ? { ...plain, tokenCookie: cookie, reuseFor: 0 } : plain;
    if (grant.uses === undefined) return allow;

    if (unknown) await store.adopt(id, grant);
    if (deadline?.late) throw deadline.late;
    const counts = request.method === 'GET';
    const { redeemed, resumeCookie: value } = await redeem(request, id, counts);
    if (redeemed === undefined) return deny('invalid_token', { ...known, refused: true });
    if (redeemed === 'known' || !counts) return { ...allow, redeemed };
    const resumeCookie = { value, path: resumeCookiePath(requested, mount, grant) };
    return { ...allow, redeemed, resumeCookie };
  }

  /** One second less: nginx counts whole seconds, so an answer may live that much longer. */
  function reuseOf(leftMs = 0): number {
    return Math.max(0, Math.min(decisionTtl, Math.floor(leftMs / 1000) - 1));
  }

  async function redeem({ resume, address }: GateRequest, id: string, counts: boolean) {
    const { requester, resumeCookie } = present(resume, address);
    return { redeemed: await store.redeem(id, requester, counts), resumeCookie };
  }
}

/** The cookie that holds the token, for a client that has it not. */
function tokenCookie(
  grant: Grant,
  request: GateRequest,
  requested: Requested,
  token: string,
): Cookie | undefined {
  if (cookieTokens(request.cookie).includes(token)) return undefined;
  const path = tokenCookiePath(requested, grant);
  return path === undefined ? undefined : { value: token, path };
}

/** Whether it matters who asks, beside the token. */
function isBound({ uses, ip }: Grant): boolean {
  return uses !== undefined || ip !== undefined;
}

/** Whether other queries get the same answer. nginx would keep it for each, as many as a client makes up. */
function isOneOfMany({ targetArgs }: Grant, { hasUnused, args }: Requested): boolean {
  return hasUnused || (targetArgs !== undefined && args !== '');
}

function isLackOfToken({ code }: Deny): boolean {
  return code === 'missing_token' || code === 'invalid_token';
}

function deny(code: DenyCode, known: Omit<Deny, 'allow' | 'code'> = {}): Deny {
  return { allow: false, code, ...known };
}

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
  // Checked at issue as well. What is stored may be older than the check, or not Postern's.
  if (grant.target !== undefined && pathFault(target) !== undefined) return 'insufficient_scope';
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

/** Tokens in cookies that are tried: nested folders have one each. */
const MOST_COOKIES = 4;

/**
 * The tokens that a request presents: the first that is shaped like one of URL, Authorization and
 * cookies; another application's credential counts as absent. Only cookies can be several, as a
 * browser sends all that it still holds for a folder and those above it.
 */
export function tokensOf(request: GateRequest, inUrl: string | undefined): readonly string[] {
  const token = inUrl ?? bearer(request.authorization);
  if (token !== undefined) return [token];
  return cookieTokens(request.cookie).slice(0, MOST_COOKIES);
}

export function cookieTokens(cookie: string | undefined): readonly string[] {
  return cookie?.split(' ').filter(isToken) ?? [];
}

function bearer(authorization: string | undefined): string | undefined {
  const credential = authorization && /^bearer +(\S+)$/i.exec(authorization)?.[1];
  return credential && isToken(credential) ? credential : undefined;
}
