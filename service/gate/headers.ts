import type { IncomingHttpHeaders } from 'node:http';
import contentDisposition from 'content-disposition';
import type { Confirmation, Cookie, GateRequest, Used } from '../decide/decision.ts';
import type { PageRequest } from '../pages/pages.ts';
import { type Grant, isFolder } from '../token/grant.ts';

/**
 * Headers that the gate reads, in lower case, as Node provides them. It also reads Authorization and Cookie. The snippets of
 * nginx set each of them. From the requester, they take only headers that browsers send, such as Origin.
 */
export const requestHeaders = {
  uri: 'x-original-uri',
  method: 'x-original-method',
  address: 'x-real-ip',
  started: 'postern-started',
  site: 'postern-site',
  cookie: 'postern-cookie',
  resume: 'postern-resume',
  requestId: 'x-request-id',
  traceparent: 'traceparent',
  secPurpose: 'sec-purpose',
  serviceWorker: 'service-worker',
  fetchSite: 'sec-fetch-site',
  origin: 'origin',
  host: 'postern-host',
  page: 'postern-page',
  pageFile: 'postern-file',
  languages: 'accept-language',
} as const;

export const responseHeaders = {
  target: 'Postern-Target',
  args: 'Postern-Args',
  object: 'Postern-Object',
  tokenId: 'Postern-Token-Id',
  subject: 'Postern-Subject',
  disposition: 'Postern-Disposition',
  maxAge: 'Postern-Max-Age',
  limitRate: 'Postern-Limit-Rate',
  /** Two names: nginx joins headers with the same name. */
  setCookie: 'Postern-Set-Cookie',
  setCookie2: 'Postern-Set-Cookie-2',
  reason: 'Postern-Reason',
  returnUrl: 'Postern-Return',
  file: 'Postern-File',
} as const;

/** Headers that nginx itself obeys. */
export const nginxHeaders = {
  expires: 'X-Accel-Expires',
  redirect: 'X-Accel-Redirect',
  limitRate: 'X-Accel-Limit-Rate',
} as const;

export function pageRequest(headers: IncomingHttpHeaders) {
  return {
    code: one(headers[requestHeaders.page]),
    file: one(headers[requestHeaders.pageFile]),
    languages: headers[requestHeaders.languages],
    requestId: one(headers[requestHeaders.requestId]),
  } satisfies PageRequest;
}

/** The requester's request as the snippets report it. A missing header gives a value that no token covers. */
export function gateRequest(headers: IncomingHttpHeaders, confirmation?: Confirmation) {
  return {
    uri: one(headers[requestHeaders.uri]) ?? '',
    method: one(headers[requestHeaders.method]) ?? '',
    site: one(headers[requestHeaders.site]) ?? '',
    authorization: headers.authorization,
    cookie: cookies(headers, requestHeaders.cookie, TOKEN_COOKIES),
    resume: cookies(headers, requestHeaders.resume, RESUME_COOKIES),
    address: one(headers[requestHeaders.address]),
    started: one(headers[requestHeaders.started]),
    prefetch: isPrefetch(headers[requestHeaders.secPurpose]),
    serviceWorker: headers[requestHeaders.serviceWorker] === 'script',
    confirmation,
  } satisfies GateRequest;
}

const TOKEN_COOKIES = /(?:^|;)\s*postern=([^;]*)/g;
const RESUME_COOKIES = /(?:^|;)\s*postern_resume=([^;]*)/g;

/** Values of one cookie that are read: more than a browser has for nested folders. */
const MAX_VALUES = 32;

/** The values of a cookie, separated by spaces. nginx sends the first one, and all cookies if there may be more. */
function cookies(headers: IncomingHttpHeaders, first: string, all: RegExp): string | undefined {
  const value = one(headers[first]);
  if (headers.cookie === undefined) return value;
  const values = [value ?? ''];
  // Splitting would cost too much: a requester can send 30,000 empty cookies.
  for (const [, more = ''] of headers.cookie.matchAll(all)) {
    if (values.push(more.trimEnd()) > MAX_VALUES) break;
  }
  return [...new Set(values)].join(' ');
}

/** Browsers send `prefetch`, `prefetch;prerender`, and similar values, in `Sec-Purpose` or `Purpose`. */
function isPrefetch(purpose: string | string[] | undefined): boolean {
  return purpose !== undefined && /prefetch|prerender|preview/i.test(String(purpose));
}

function one(value: string | string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** Encodes a string so that Node, which writes headers as latin1, writes its UTF-8 bytes. */
export function utf8Bytes(value: string): string {
  return /^[\x20-\x7e]*$/.test(value) ? value : Buffer.from(value, 'utf8').toString('latin1');
}

/** Percent-encodes `%`, characters other than printable ASCII, and spaces that HTTP would trim. */
export function printable(value: string): string {
  return /^[\x21-\x24\x26-\x7e]*$/.test(value)
    ? value
    : value.replace(/[^\x20-\x24\x26-\x7e]+|^ +| +$/gu, encodeURIComponent);
}

/** RFC 6266, in ASCII, with `filename*` (RFC 8187) for other names. With `confirm`, a file is saved, as its button says. */
export function dispositionOf(grant: Grant): string | undefined {
  const { filename, disposition, confirm, covers } = grant;
  const type =
    disposition ?? (filename || (confirm && !isFolder(covers)) ? 'attachment' : undefined);
  if (filename === undefined || type === undefined) return type;
  return contentDisposition(filename, { type, fallback: asciiName(filename) });
}

/** NFD, because NFKD turns full-width forms into a slash, a backslash or dots. */
function asciiName(filename: string): string {
  const bare = filename.normalize('NFD').replace(/\p{M}/gu, '');
  return bare.replace(/[^\x20-\x7e]/gu, '_') || '_';
}

/** Attributes of every cookie (RFC 6265bis). */
export interface CookieSettings {
  readonly sameSite: 'Lax' | 'Strict' | 'None';
  readonly secure: boolean;
  /** A separate cookie for each site that embeds the player (CHIPS). */
  readonly partitioned: boolean;
}

/** Seconds. The resume cookie must survive a restart of the browser. Without the token it is worthless. */
const RESUME_MIN_AGE = 7 * 86_400;

const NONE: readonly string[] = [];

/** The `Set-Cookie` values for an allowed or confirmed requester, at most two. */
export function setCookies(decision: Used, { sameSite, secure, partitioned }: CookieSettings) {
  const { grant, resumeCookie, tokenCookie } = decision;
  if (resumeCookie === undefined && tokenCookie === undefined) return NONE;
  const lifetime = Math.ceil((grant.expiresAt - grant.issuedAt) / 1000);
  const age = `; Max-Age=${Math.max(RESUME_MIN_AGE, lifetime, grant.uses?.resumeFor ?? 0)}`;
  const flags = `${secure ? '; Secure' : ''}${partitioned ? '; Partitioned' : ''}`;
  const attributes = `; HttpOnly; SameSite=${sameSite}${flags}`;
  return [
    ...(resumeCookie ? [`${pair('postern_resume', resumeCookie)}${age}${attributes}`] : []),
    // A session cookie, because a grant may be prolonged later.
    ...(tokenCookie ? [pair('postern', tokenCookie) + attributes] : []),
  ];
}

function pair(name: string, { value, path }: Cookie): string {
  return `${name}=${value}; Path=${path}`;
}
