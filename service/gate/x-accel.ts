import type { Allow, Decision, Deny } from '../domain/decision.ts';
import { encodePath } from '../domain/path.ts';
import { PROBLEM_TYPE, problemBody, problemPage, statusOf } from '../problem.ts';
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
export function xAccelAnswer(
  decision: Decision,
  cookies: CookieSettings,
  accept: string | undefined,
): Answer {
  return decision.allow ? allowed(decision, cookies) : denied(decision, accept);
}

function allowed(decision: Allow, cookies: CookieSettings): Answer {
  const { id, grant, target, args, object } = decision;
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
  if (object !== undefined) headers.push(responseHeaders.object, object);
  if (grant.subject !== undefined) headers.push(responseHeaders.subject, printable(grant.subject));
  if (grant.limitRate !== undefined) headers.push('X-Accel-Limit-Rate', String(grant.limitRate));
  const disposition = dispositionOf(grant);
  if (disposition !== undefined) headers.push('Content-Disposition', disposition);
  for (const cookie of setCookies(decision, cookies)) headers.push('Set-Cookie', cookie);
  headers.push('Content-Length', '0');
  return { status: 200, headers };
}

function denied(decision: Deny, accept: string | undefined): Answer {
  const status = statusOf(decision.code);
  const page = prefersPage(accept);
  const body = page ? problemPage(decision.code) : problemBody(decision.code);
  const headers = denialHeaders(decision, status);
  headers.push('Content-Type', page ? 'text/html; charset=utf-8' : PROBLEM_TYPE);
  headers.push('Content-Length', String(Buffer.byteLength(body)));
  if (status === 503) headers.push('Retry-After', '5');
  return { status, headers, body };
}

/** A browser accepts text/html and does not name JSON. All other clients get JSON. */
function prefersPage(accept: string | undefined): boolean {
  return accept !== undefined && /text\/html/i.test(accept) && !/json/i.test(accept);
}
