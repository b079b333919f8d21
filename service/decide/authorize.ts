import type { Mount, Mounts } from '../paths/mount.ts';
import type { Grant } from '../token/grant.ts';
import type { How, LookUp } from '../token/look-up.ts';
import { KeysUnavailable, type Store, Unavailable } from '../token/store.ts';
import { isOpaque, isToken, tokenId } from '../token/token.ts';
import { identify } from '../token/uses.ts';
import { confirm } from './confirm.ts';
import type { Deadline } from './deadline.ts';
import { type Allow, type Decision, type Deny, deny, type GateRequest } from './decision.ts';
import {
  parseRequestUri,
  type Requested,
  resumeCookiePath,
  returnUrl,
  tokenCookiePath,
} from './request-uri.ts';
import { resolveTarget } from './scope.ts';
import { startOf } from './started.ts';

interface AuthorizeOptions {
  readonly mounts: Mounts;
  readonly store: Store;
  readonly lookUp: LookUp;
  /** Maximum time, in seconds, for which nginx may cache an "allow" decision. */
  readonly decisionTtl: number;
  readonly now: () => number;
}

/**
 * Decides on a request for a file. Rejects after the deadline, without taking a use.
 *
 * @example
 * ```ts
 * const decision = await authorize(gateRequest(headers), deadline);
 * if (decision.allow) decision.target; // '/protected/a.pdf'
 * ```
 */
export type Authorize = (request: GateRequest, deadline: Deadline) => Promise<Decision>;

/** Each token that it tries costs one round trip to the store, more if requesters are counted, none if it is not stored. */
export function createAuthorize(options: AuthorizeOptions): Authorize {
  const { mounts, store, lookUp, decisionTtl, now } = options;

  return async function authorize(request, deadline) {
    const requested = parseRequestUri(request.uri, request.site.toLowerCase(), mounts);
    if (requested === undefined) return deny('invalid_request');
    const { path } = requested;
    const at = startOf(request, requested.mount, now());
    if (typeof at === 'string') return deny('invalid_request', { path, rejection: { reason: at } });
    let firstDenial: Deny | undefined;
    let unavailable: Deny | undefined;
    let how: How | undefined;
    for (const token of tokensOf(request, requested.token)) {
      if (deadline.late) throw deadline.late;
      try {
        const decision = await decide(request, requested, token, deadline, how, at);
        if (decision.allow) return signed(decision, requested.mount);
        if (decision.code === 'confirmed' || decision.locked) return decision;
        // Checking signatures takes longer than anything else, and anyone can send four cookies with invalid ones.
        if (decision.rejection?.checked) how = 'verified';
        // A stale cookie must not hide that the requester may confirm.
        if (firstDenial === undefined || (decision.page && !firstDenial.page))
          firstDenial = decision;
      } catch (cause) {
        if (!(cause instanceof Unavailable)) throw cause;
        const id = isOpaque(token) ? tokenId(token) : undefined;
        unavailable ??= deny('unavailable', { id, path, cause });
        // If the store is unavailable, no other token helps. If an issuer's keys are, one may.
        if (!(cause instanceof KeysUnavailable)) return unavailable;
      }
    }
    if (unavailable !== undefined) return unavailable;
    const denial = firstDenial ?? deny('missing_token', { path });
    return denial.code === 'missing_token' || denial.code === 'invalid_token'
      ? { ...denial, returnUrl: returnUrl(request.uri, requested) }
      : denial;
  };

  async function decide(
    request: GateRequest,
    requested: Requested,
    token: string,
    deadline: Deadline,
    how: How | undefined,
    at: number | undefined,
  ): Promise<Decision> {
    const { path } = requested;
    const { id, grant, leftMs, unsaved, rejection } = await lookUp(token, how, at);
    if (id === undefined || grant === undefined) {
      return deny('invalid_token', { id, path, rejection });
    }
    const facts = { id, path, subject: grant.subject };
    if (grant.exhausted) return deny('invalid_token', { ...facts, refused: true, rejection: SENT });
    const resolved = resolveTarget(grant, requested, request, mounts);
    if (typeof resolved === 'string') {
      // A requester that has no use left gets the same response as for an unknown token.
      const who = () => identify(request.resume, request.address).requester;
      const hidden = grant.uses && !unsaved && !(await store.redeem(id, who(), false, at));
      return deny(hidden ? 'invalid_token' : resolved, facts);
    }
    const { mount, target, ...listed } = resolved;
    // A presigned query must not get more arguments: its signature would be invalid.
    const args = grant.targetArgs ?? requested.args;
    const isReusable = !isBound(grant) && !ignoresQuery(grant, requested);
    const reuseFor = isReusable ? reusableFor(mount, leftMs) : 0;
    const isKept = isReusable && requested.token !== undefined && listed.listing === undefined;
    const kept = isKept && keptFor(grant, mount, leftMs);
    const plain: Allow = { allow: true, id, grant, path, target, args, reuseFor, ...listed };
    const cookie = grant.cookie && tokenCookie(grant, request, requested, token);
    const file = kept ? { ...plain, ...kept } : plain;
    const allow = cookie ? { ...plain, tokenCookie: cookie, reuseFor: 0 } : file;
    if (grant.uses === undefined) return allow;

    if (unsaved) await store.saveExternal(id, grant);
    if (deadline.late) throw deadline.late;
    const { requester, resumeCookie: value } = identify(request.resume, request.address);
    const resumeCookie = { value, path: resumeCookiePath(requested, mount, grant) };
    if (grant.confirm) {
      const { confirmation } = request;
      return confirm(store, token, allow, resumeCookie, requester, confirmation, deadline, at);
    }
    const counts = request.method === 'GET';
    const redeemed = await store.redeem(id, requester, counts, at);
    if (redeemed === undefined) return deny('invalid_token', { ...facts, refused: true });
    if (redeemed === 'known' || !counts) return { ...allow, redeemed };
    return { ...allow, redeemed, resumeCookie };
  }

  /** One second less: nginx counts whole seconds and may keep an answer that much longer. */
  function reusableFor({ maxReuse = decisionTtl }: Mount, leftMs = 0): number {
    const ttl = Math.min(decisionTtl, maxReuse);
    return Math.max(0, Math.min(ttl, Math.floor(leftMs / 1000) - 1));
  }

  /** For a browser, until nginx could still send the file. It keeps the file under the URL with the token. */
  function keptFor({ cookie }: Grant, { maxAge = 0 }: Mount, leftMs = 0) {
    const seconds = Math.min(maxAge, Math.floor(leftMs / 1000) - decisionTtl - 1);
    // With a cookie, the next person at the browser could open the URL without the token.
    return seconds > 0 && !cookie && { maxAge: seconds };
  }
}

const SENT = { reason: 'its max_bytes were sent' };

/** The decision with the signature of the object store, if the mount has one. */
function signed(allow: Allow, mount: Mount | undefined): Allow {
  if (mount?.sign === undefined) return allow;
  const name = allow.target.slice(mount.internal.length);
  // Keep this order: V8 is several times slower if a property follows the spread.
  return { signed: mount.sign(name), ...allow };
}

/** The cookie with the token; undefined if the requester has it already. */
function tokenCookie(grant: Grant, request: GateRequest, requested: Requested, token: string) {
  if (cookieTokens(request.cookie).includes(token)) return undefined;
  const path = tokenCookiePath(requested, grant);
  return path === undefined ? undefined : { value: token, path };
}

/** Whether the next decision may differ: for another requester, or because bytes were sent meanwhile. */
function isBound({ uses, ip, maxBytes }: Grant): boolean {
  return uses !== undefined || ip !== undefined || maxBytes !== undefined;
}

/** Whether other queries get the same decision. nginx would cache a copy for each query that a requester sends. */
function ignoresQuery({ targetArgs }: Grant, { hasUnused, args }: Requested): boolean {
  return hasUnused || (targetArgs !== undefined && args !== '');
}

/** Cookies that are tried: nested folders have one each, and a browser sends all of them. */
const MAX_COOKIES = 4;

/** Values that are read to find them: each can be the beginning of a JWT, which must be decoded. */
const MAX_VALUES = 40;

/** The tokens to try: in the URL, else in Authorization, else in cookies. Other applications' credentials are ignored. */
export function tokensOf(request: GateRequest, inUrl: string | undefined): readonly string[] {
  const token = inUrl ?? bearerToken(request.authorization);
  if (token !== undefined) return [token];
  return cookieTokens(request.cookie).slice(0, MAX_COOKIES);
}

function cookieTokens(cookie: string | undefined): readonly string[] {
  return cookie?.split(' ', MAX_VALUES).filter(isToken) ?? [];
}

function bearerToken(authorization: string | undefined): string | undefined {
  const credential = authorization && /^bearer +(\S+)$/i.exec(authorization)?.[1];
  return credential && isToken(credential) ? credential : undefined;
}
