import type { IncomingMessage } from 'node:http';
import type { Confirmation, Decision } from '../domain/decision.ts';
import { type Answer, type CookieSettings, printable, setCookies } from './answer.ts';
import { denied } from './auth-request.ts';
import { requestHeaders, responseHeaders } from './headers.ts';

/** A form with a PIN is much smaller. nginx accepts no larger body either. */
const MAX_BODY_BYTES = 1024;

/** What the POST says; undefined if its body is too large. */
export async function readConfirmation(
  request: IncomingMessage,
): Promise<Confirmation | undefined> {
  const { headers } = request;
  // Without a length there is no body from the snippets, and Node discards it.
  const length = Number(headers['content-length'] ?? 0);
  if (length > MAX_BODY_BYTES) return undefined;
  const chunks: Buffer[] = [];
  if (length > 0) for await (const chunk of request) chunks.push(chunk);
  const form = new URLSearchParams(Buffer.concat(chunks).toString('utf8'));
  const [pin, ...more] = form.getAll('pin');
  return {
    fetchSite: headers[requestHeaders.fetchSite]?.toString(),
    origin: headers[requestHeaders.origin]?.toString(),
    host: headers[requestHeaders.host]?.toString(),
    pin: more.length > 0 ? undefined : pin,
  };
}

/**
 * The response to a POST that nginx passes on: 303 to the same URL, or a denial as for auth_request,
 * which nginx replaces by a page or a problem document. It never releases a file.
 */
export function confirmAnswer(decision: Decision, cookies: CookieSettings, uri: string): Answer {
  if (decision.allow) return denied({ allow: false, code: 'invalid_request' });
  const { confirmed, id = '', code } = decision;
  if (confirmed === undefined) return denied(decision);
  const { subject } = confirmed.grant;
  const headers = [
    ...['Cache-Control', 'no-store', 'X-Accel-Expires', '0', 'Referrer-Policy', 'no-referrer'],
    ...['Location', locationOf(uri), responseHeaders.reason, code, responseHeaders.tokenId, id],
    ...(subject === undefined ? [] : [responseHeaders.subject, printable(subject)]),
    ...setCookies(confirmed, cookies).flatMap((cookie) => ['Set-Cookie', cookie]),
    ...['Content-Length', '0'],
  ];
  return { status: 303, headers };
}

/** The request's own URI. The domain accepts no path that starts with `//`, which would be another host. */
function locationOf(uri: string): string {
  if (!/^\/(?![/\\])/.test(uri)) throw new Error('a confirmed URI must be a path of the site');
  return uri.replace(
    /[^\x21-\x7e]/g,
    (byte) => `%${byte.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}
