import type { ServerResponse } from 'node:http';
import { type Allow, type Decision, type Deny, deny, type Mode } from '../decide/decision.ts';
import { formFile, listingFile } from '../pages/file-header.ts';
import type { WrittenPage } from '../pages/pages.ts';
import { encodePath } from '../paths/path.ts';
import { PROBLEM_TYPE, type ProblemCode, problemBody, statusOf } from '../problem.ts';
import {
  type CookieSettings,
  dispositionOf,
  nginxHeaders,
  printable,
  responseHeaders,
  setCookies,
  utf8Bytes,
} from './headers.ts';

/** A response of the gate. `headers` alternates names and values, as Node.js accepts them. */
export interface Answer {
  readonly status: number;
  readonly headers: readonly string[];
  /** Absent for auth_request: nginx closes the connection to the gate after a response with a body. */
  readonly body?: string;
}

export function send(response: ServerResponse, { status, headers, body }: Answer): void {
  // nginx uses neither a Date nor `Connection: keep-alive`, but would read them for each request.
  response.sendDate = false;
  if (response.shouldKeepAlive) response.removeHeader('Connection');
  response.writeHead(status, headers as string[]);
  response.end(body);
}

export function bodyAnswer(status: number, headers: readonly string[], body: string): Answer {
  const length = String(Buffer.byteLength(body));
  return { status, headers: [...headers, 'Content-Length', length], body };
}

export function problemAnswer(code: ProblemCode, headers: string[] = [], detail?: string): Answer {
  const own = ['Cache-Control', 'no-store', 'Content-Type', PROBLEM_TYPE];
  return bodyAnswer(statusOf(code), [...headers, ...own], problemBody(code, detail));
}

/** A page for people; without one, nginx writes a plain sentence. */
export function pageAnswer(page: WrittenPage | undefined): Answer {
  if (page === undefined) return { status: 503, headers: ['Content-Length', '0'] };
  return bodyAnswer(200, page.headers, page.body);
}

/** The argument of the URL to which a confirmation redirects, if the browser must send back a cookie. */
const CONFIRMED = 'postern_confirmed=1';

const isMarked = (uri: string) => new RegExp(`[?&]${CONFIRMED}(?:&|$)`).test(uri);

/** Whether the browser confirmed and came back without its cookie. Everyone can write the marker: it decides nothing. */
export function isUnkept(decision: Decision, uri: string): boolean {
  return 'page' in decision && decision.page !== undefined && isMarked(uri);
}

type ToAnswer = (decision: Decision, cookies: CookieSettings, uri: string) => Answer;

/** Builds the response to a decision. `uri` is that of the requester's request. */
export const ANSWERS: Readonly<Record<Mode, ToAnswer>> = {
  auth_request: authRequestAnswer,
  'x-accel': xAccelAnswer,
  confirm: confirmAnswer,
};

/** The response to nginx's auth_request: 204 with the target, or 401, 403 or 503 with the reason. */
function authRequestAnswer(decision: Decision, cookies: CookieSettings, uri: string): Answer {
  if (!decision.allow) return subrequestDenial(denied(decision), uri);
  // nginx obeys X-Accel-Expires before Cache-Control, which is left out because nginx would have to read it.
  const headers = [nginxHeaders.expires, String(decision.reuseFor)];
  addFileHeaders(headers, decision, responseHeaders.limitRate);
  const [first, second] = setCookies(decision, cookies);
  if (first !== undefined) headers.push(responseHeaders.setCookie, first);
  if (second !== undefined) headers.push(responseHeaders.setCookie2, second);
  return { status: 204, headers };
}

/** The response if nginx proxies the request without its body: an internal redirect, or the denial itself. */
function xAccelAnswer(decision: Decision, cookies: CookieSettings, uri: string): Answer {
  if (!decision.allow) {
    const deny = denied(decision);
    return denial(deny, statusOf(deny.code), uri);
  }
  const args = argsOf(decision);
  // nginx passes Expires on: no shared cache may reuse a file of a location without the Cache-Control of file.conf.
  const headers = [nginxHeaders.expires, '0', 'Expires', '0'];
  // nginx decodes this header once.
  headers.push(
    nginxHeaders.redirect,
    encodePath(decision.target) + (args === '' ? '' : `?${args}`),
  );
  // nginx would also send Content-Disposition with an error page, which a browser then does not show.
  addFileHeaders(headers, decision, nginxHeaders.limitRate);
  for (const cookie of setCookies(decision, cookies)) headers.push('Set-Cookie', cookie);
  headers.push('Content-Length', '0');
  return { status: 200, headers };
}

/**
 * The response to a POST: 303 to the same URL, or a denial as for auth_request. It never allows the request. A browser
 * drops a `Secure` cookie of a page without HTTPS: the marker lets the next page explain this.
 */
function confirmAnswer(decision: Decision, cookies: CookieSettings, uri: string): Answer {
  if (decision.allow) return subrequestDenial(deny('invalid_request'));
  if (decision.code !== 'confirmed') return subrequestDenial(decision);
  const { id, code, grant } = decision;
  const { subject } = grant;
  const set = setCookies(decision, cookies);
  const isNew = set.length > 0 && !isMarked(uri);
  const location = isNew ? `${uri}${uri.includes('?') ? '&' : '?'}${CONFIRMED}` : uri;
  const headers = ['Cache-Control', 'no-store', nginxHeaders.expires, '0'];
  headers.push('Referrer-Policy', 'no-referrer', 'Location', locationOf(location));
  headers.push(responseHeaders.reason, code, responseHeaders.tokenId, id);
  if (subject !== undefined) headers.push(responseHeaders.subject, printable(subject));
  for (const cookie of set) headers.push('Set-Cookie', cookie);
  headers.push('Content-Length', '0');
  return { status: 303, headers };
}

/** The request's own URI. A mount accepts no path that starts with `//`, which would be another host. */
function locationOf(uri: string): string {
  const encode = (byte: string) => `%${byte.charCodeAt(0).toString(16).padStart(2, '0')}`;
  return uri.replace(/[^\x21-\x7e]/g, encode);
}

const argsOf = ({ signed, args }: Allow): string => signed?.args ?? args;

function addFileHeaders(headers: string[], decision: Allow, limitRate: string): void {
  const { grant, id, target, signed, listing, maxAge } = decision;
  const args = argsOf(decision);
  // Raw bytes: nginx's rewrite neither decodes nor encodes a variable. With X-Accel, nginx compares its URI with them.
  headers.push(responseHeaders.target, utf8Bytes(target), responseHeaders.tokenId, id);
  if (args !== '') headers.push(responseHeaders.args, args);
  if (signed !== undefined) headers.push(responseHeaders.object, signed.object);
  if (grant.subject !== undefined) headers.push(responseHeaders.subject, printable(grant.subject));
  if (grant.limitRate !== undefined) headers.push(limitRate, String(grant.limitRate));
  const disposition = listing === undefined ? dispositionOf(grant) : undefined;
  if (listing !== undefined)
    headers.push(responseHeaders.file, listingFile(listing, grant.expiresAt));
  if (disposition !== undefined) headers.push(responseHeaders.disposition, disposition);
  if (maxAge !== undefined) headers.push(responseHeaders.maxAge, String(maxAge));
}

/** A POST confirms. For any other request, the gate denies `confirmed`. */
function denied(decision: Exclude<Decision, Allow>): Deny {
  return decision.code === 'confirmed' ? deny('invalid_request') : decision;
}

/** nginx passes on 401 and 403. It turns any other status of auth_request into 500, and the snippets turn that into 503. */
export function subrequestDenial(decision: Deny, uri = ''): Answer {
  const status = statusOf(decision.code);
  return denial(decision, status === 400 ? 403 : status, uri, decision.returnUrl);
}

/** It has no body: nginx writes the page or the problem document. */
function denial({ code, id, page }: Deny, status: number, uri: string, returnUrl?: string): Answer {
  const headers = ['Cache-Control', 'no-store', nginxHeaders.expires, '0', 'Content-Length', '0'];
  headers.push(responseHeaders.reason, code);
  if (returnUrl !== undefined) headers.push(responseHeaders.returnUrl, returnUrl);
  if (id !== undefined) headers.push(responseHeaders.tokenId, id);
  // RFC 6750, section 3: without an error if the request had no credential.
  const error = code === 'invalid_token' ? ', error="invalid_token"' : '';
  if (status === 401) headers.push('WWW-Authenticate', `Bearer realm="postern"${error}`);
  if (page !== undefined) headers.push(responseHeaders.file, formFile(page, isMarked(uri)));
  return { status, headers };
}
