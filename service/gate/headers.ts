import type { IncomingHttpHeaders } from 'node:http';
import contentDisposition from 'content-disposition';
import type { Deny, GateRequest } from '../domain/decision.ts';
import type { Grant } from '../domain/grant.ts';

/** Header names that nginx/snippets/ and this program share. Lower case, as Node gives them. */

export const requestHeaders = {
  uri: 'x-original-uri',
  method: 'x-original-method',
  address: 'x-real-ip',
  site: 'postern-site',
  cookie: 'postern-cookie',
  resume: 'postern-resume',
  requestId: 'x-request-id',
  secPurpose: 'sec-purpose',
  purpose: 'purpose',
  serviceWorker: 'service-worker',
} as const;

export const responseHeaders = {
  target: 'Postern-Target',
  args: 'Postern-Args',
  tokenId: 'Postern-Token-Id',
  subject: 'Postern-Subject',
  disposition: 'Postern-Disposition',
  limitRate: 'Postern-Limit-Rate',
  /** One for each of two: nginx joins headers of one name into one. */
  setCookie: 'Postern-Set-Cookie',
  setCookie2: 'Postern-Set-Cookie-2',
  reason: 'Postern-Reason',
  returnUrl: 'Postern-Return',
} as const;

/**
 * A string as the characters that Node writes as its UTF-8 bytes: header values are sent as
 * latin1, one byte a character.
 */
export function utf8Bytes(value: string): string {
  return /^[\x20-\x7e]*$/.test(value) ? value : Buffer.from(value, 'utf8').toString('latin1');
}

/** Percent-encodes what is not printable ASCII, `%` itself, and spaces that HTTP would trim. */
export function printable(value: string): string {
  return /^[\x21-\x24\x26-\x7e]*$/.test(value)
    ? value
    : value.replace(/[^\x20-\x24\x26-\x7e]+|^ +| +$/gu, encodeURIComponent);
}

/** `WWW-Authenticate` of RFC 6750, section 3: no error where no credential came. */
export function challenge(code: string): string {
  return code === 'invalid_token'
    ? 'Bearer realm="postern", error="invalid_token"'
    : 'Bearer realm="postern"';
}

/**
 * What the snippets send about the client's request. They send it themselves and pass no header
 * of the client's; a header that is missing reads as one that fits nothing.
 */
export function gateRequest(headers: IncomingHttpHeaders): GateRequest {
  return {
    uri: one(headers[requestHeaders.uri]) ?? '',
    method: one(headers[requestHeaders.method]) ?? '',
    site: one(headers[requestHeaders.site]) ?? '',
    authorization: headers.authorization,
    cookie: one(headers[requestHeaders.cookie]),
    resume: one(headers[requestHeaders.resume]),
    address: one(headers[requestHeaders.address]),
    prefetch:
      isPrefetch(headers[requestHeaders.secPurpose]) || isPrefetch(headers[requestHeaders.purpose]),
    serviceWorker: headers[requestHeaders.serviceWorker] === 'script',
  };
}

/** `prefetch`, `prefetch;prerender`, and what else a browser may call it that fetches ahead. */
function isPrefetch(purpose: string | string[] | undefined): boolean {
  return purpose !== undefined && /prefetch|prerender|preview/i.test(String(purpose));
}

function one(value: string | string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** What both ways say of a denial. */
export function denialHeaders({ code, id }: Deny, status: number): string[] {
  const headers = [
    'Cache-Control',
    'no-store',
    'X-Accel-Expires',
    '0',
    responseHeaders.reason,
    code,
  ];
  if (id !== undefined) headers.push(responseHeaders.tokenId, id);
  if (status === 401) headers.push('WWW-Authenticate', challenge(code));
  return headers;
}

/**
 * The `Content-Disposition` that a grant asks for (RFC 6266), in ASCII alone: a name of other
 * characters travels in `filename*` (RFC 8187), with a readable ASCII name for old clients.
 */
export function dispositionOf(grant: Grant): string | undefined {
  const { filename, disposition: type = 'attachment' } = grant;
  if (filename === undefined) return grant.disposition;
  return contentDisposition(filename, { type, fallback: asciiName(filename) });
}

/** NFD, since NFKD would make a slash, a backslash or dots of their full-width forms. */
function asciiName(filename: string): string {
  const bare = filename.normalize('NFD').replace(/\p{M}/gu, '');
  return bare.replace(/[^\x20-\x7e]/gu, '_') || '_';
}
