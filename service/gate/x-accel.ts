import type { Allow, Decision, Deny } from '../domain/decision.ts';
import { encodePath } from '../domain/path.ts';
import { DETAILS, PROBLEM_TYPE, problemBody, statusOf } from '../problem.ts';
import {
  type Answer,
  type CookieSettings,
  denialHeaders,
  dispositionOf,
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
  const { id, grant, target, args } = decision;
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
  if (grant.subject !== undefined) headers.push(responseHeaders.subject, printable(grant.subject));
  if (grant.limitRate !== undefined) headers.push('X-Accel-Limit-Rate', String(grant.limitRate));
  const disposition = dispositionOf(grant);
  if (disposition !== undefined) headers.push('Content-Disposition', disposition);
  for (const cookie of setCookies(decision, cookies)) headers.push('Set-Cookie', cookie);
  headers.push('Content-Length', '0');
  return { status: 200, headers };
}

/** The snippets replace the body, for browsers by a page. */
function denied(decision: Deny): Answer {
  const status = statusOf(decision.code);
  const body = problemBody(decision.code, DETAILS[decision.code]);
  const headers = denialHeaders(decision, status);
  headers.push('Content-Type', PROBLEM_TYPE, 'Content-Length', String(Buffer.byteLength(body)));
  if (status === 503) headers.push('Retry-After', '5');
  return { status, headers, body };
}
