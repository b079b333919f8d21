import type { Allow, Decision, Deny } from '../domain/decision.ts';
import { statusOf } from '../problem.ts';
import {
  type Answer,
  type CookieSettings,
  denialHeaders,
  dispositionOf,
  listingHeaders,
  printable,
  setCookies,
  utf8Bytes,
} from './answer.ts';
import { responseHeaders } from './headers.ts';

/**
 * The response to nginx's auth_request: 204 with the target, or 401, 403 or 503 with the reason.
 * https://nginx.org/en/docs/http/ngx_http_auth_request_module.html
 */
export function authRequestAnswer(decision: Decision, cookies: CookieSettings): Answer {
  return decision.allow ? allowed(decision, cookies) : denied(decision);
}

function allowed(decision: Allow, cookies: CookieSettings): Answer {
  const { id, grant, target, signed, args, reuseFor, listing } = decision;
  const headers = [
    'Cache-Control',
    'no-store',
    'X-Accel-Expires',
    String(reuseFor),
    // Raw bytes: nginx's rewrite neither decodes nor encodes a variable.
    responseHeaders.target,
    utf8Bytes(target),
    responseHeaders.tokenId,
    id,
  ];
  if (signed !== undefined) {
    headers.push(responseHeaders.args, signed.args, responseHeaders.object, signed.object);
  } else if (args !== '') headers.push(responseHeaders.args, args);
  if (grant.subject !== undefined) headers.push(responseHeaders.subject, printable(grant.subject));
  if (grant.limitRate !== undefined)
    headers.push(responseHeaders.limitRate, String(grant.limitRate));
  if (listing !== undefined) headers.push(...listingHeaders(listing));
  const disposition = listing === undefined ? dispositionOf(grant) : undefined;
  if (disposition !== undefined) headers.push(responseHeaders.disposition, disposition);
  const [first, second] = setCookies(decision, cookies);
  if (first !== undefined) headers.push(responseHeaders.setCookie, first);
  if (second !== undefined) headers.push(responseHeaders.setCookie2, second);
  return { status: 204, headers };
}

export function denied(decision: Deny): Answer {
  const { code, returnUrl } = decision;
  // nginx passes on 401 and 403, and turns any other status, such as 400, into 500.
  const status = statusOf(code) === 400 ? 403 : statusOf(code);
  const headers = [...denialHeaders(decision, status), 'Content-Length', '0'];
  if (returnUrl !== undefined) headers.push(responseHeaders.returnUrl, returnUrl);
  return { status, headers };
}
