import type { Allow, Decision, Deny } from '../domain/decision.ts';
import type { Answer } from './answer.ts';
import { denialHeaders } from './denial-headers.ts';
import { dispositionOf } from './disposition.ts';
import { printable, tell, utf8Bytes } from './headers.ts';
import { statusOf } from './problem.ts';
import { type CookieSettings, setCookies } from './set-cookies.ts';

/**
 * The answer to nginx's auth_request: 204 with the target, or 401, 403, 503 with the reason.
 * https://nginx.org/en/docs/http/ngx_http_auth_request_module.html
 */
export function authRequestAnswer(decision: Decision, cookies: CookieSettings): Answer {
  return decision.allow ? allowed(decision, cookies) : denied(decision);
}

function allowed(decision: Allow, cookies: CookieSettings): Answer {
  const { id, grant, target, args, reuseFor } = decision;
  const headers = [
    'Cache-Control',
    'no-store',
    'X-Accel-Expires',
    String(reuseFor),
    // Raw bytes: nginx's rewrite neither decodes nor encodes a variable.
    tell.target,
    utf8Bytes(target),
    tell.tokenId,
    id,
  ];
  if (args !== '') headers.push(tell.args, args);
  if (grant.subject !== undefined) headers.push(tell.subject, printable(grant.subject));
  if (grant.limitRate !== undefined) headers.push(tell.limitRate, String(grant.limitRate));
  const disposition = dispositionOf(grant);
  if (disposition !== undefined) headers.push(tell.disposition, disposition);
  const [first, second] = setCookies(decision, cookies);
  if (first !== undefined) headers.push(tell.setCookie, first);
  if (second !== undefined) headers.push(tell.setCookie2, second);
  return { status: 204, headers };
}

function denied(decision: Deny): Answer {
  const { code, returnUrl } = decision;
  // nginx relays 401 and 403 and makes 500 of any other, a 400 too.
  const status = statusOf(code) === 400 ? 403 : statusOf(code);
  const headers = [...denialHeaders(decision, status), 'Content-Length', '0'];
  if (returnUrl !== undefined) headers.push(tell.returnUrl, returnUrl);
  return { status, headers };
}
