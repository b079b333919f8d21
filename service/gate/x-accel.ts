import type { Allow, Decision, Deny } from '../domain/decision.ts';
import { encodePath } from '../domain/path.ts';
import { statusOf } from '../problem.ts';
import {
  type Answer,
  type CookieSettings,
  denialHeaders,
  dispositionOf,
  listingHeaders,
  printable,
  setCookies,
} from './answer.ts';
import { responseHeaders } from './headers.ts';

/**
 * The response if nginx proxies the bodyless request: an internal redirect, or the denial itself.
 * https://nginx.org/en/docs/http/ngx_http_proxy_module.html (X-Accel-Redirect)
 */
export function xAccelAnswer(decision: Decision, cookies: CookieSettings): Answer {
  return decision.allow ? allowed(decision, cookies) : denied(decision);
}

function allowed(decision: Allow, cookies: CookieSettings): Answer {
  const { id, grant, target, signed, listing } = decision;
  const args = signed?.args ?? decision.args;
  const headers = [
    // nginx passes this header on to the client.
    'Cache-Control',
    'private, no-store',
    'X-Accel-Expires',
    '0',
    // nginx decodes this header once.
    'X-Accel-Redirect',
    args === '' ? encodePath(target) : `${encodePath(target)}?${args}`,
    responseHeaders.tokenId,
    id,
  ];
  if (signed !== undefined) headers.push(responseHeaders.object, signed.object);
  if (grant.subject !== undefined) headers.push(responseHeaders.subject, printable(grant.subject));
  if (grant.limitRate !== undefined) headers.push('X-Accel-Limit-Rate', String(grant.limitRate));
  if (listing !== undefined) headers.push(...listingHeaders(listing));
  const disposition = listing === undefined ? dispositionOf(grant) : undefined;
  if (disposition !== undefined) headers.push('Content-Disposition', disposition);
  for (const cookie of setCookies(decision, cookies)) headers.push('Set-Cookie', cookie);
  headers.push('Content-Length', '0');
  return { status: 200, headers };
}

/** Without a body, as for auth_request: nginx writes the page or the problem document. */
function denied(decision: Deny): Answer {
  const status = statusOf(decision.code);
  return { status, headers: [...denialHeaders(decision, status), 'Content-Length', '0'] };
}
