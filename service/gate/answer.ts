import type { ServerResponse } from 'node:http';
import contentDisposition from 'content-disposition';
import type { Confirmed, Cookie, Deny } from '../domain/decision.ts';
import type { Grant } from '../domain/grant.ts';
import { PROBLEM_TYPE, type ProblemCode, problemBody, statusOf } from '../problem.ts';
import { responseHeaders } from './headers.ts';
import { pageText } from './page-text.ts';

/** A response of the gate. Headers are names and values in turn, as Node writes them. */
export interface Answer {
  readonly status: number;
  readonly headers: readonly string[];
  /** A body of an auth_request response costs nginx its keepalive connection. */
  readonly body?: string;
}

export function send(response: ServerResponse, { status, headers, body }: Answer): void {
  response.writeHead(status, headers as string[]);
  response.end(body);
}

export function problemAnswer(code: ProblemCode, headers: readonly string[] = []): Answer {
  const body = problemBody(code);
  const own = ['Cache-Control', 'no-store', 'Content-Type', PROBLEM_TYPE];
  const length = ['Content-Length', String(Buffer.byteLength(body))];
  return { status: statusOf(code), headers: [...headers, ...own, ...length], body };
}

/** Headers of a denial in both modes. */
export function denialHeaders({ code, id, page }: Deny, status: number): string[] {
  const headers = ['Cache-Control', 'no-store', 'X-Accel-Expires', '0'];
  headers.push(responseHeaders.reason, code);
  if (id !== undefined) headers.push(responseHeaders.tokenId, id);
  if (status === 401) headers.push('WWW-Authenticate', challenge(code));
  if (page !== undefined) {
    headers.push(responseHeaders.file, utf8Bytes(pageText(page.file)));
    headers.push(responseHeaders.until, `${new Date(page.until).toISOString().slice(0, 19)}Z`);
  }
  return headers;
}

/** For the page that lists a folder, in both modes. */
export function listingHeaders(folder: string): readonly string[] {
  return [responseHeaders.listing, 'on', responseHeaders.file, utf8Bytes(pageText(folder))];
}

/** Encodes a string so that Node, which writes headers as latin1, writes its UTF-8 bytes. */
export function utf8Bytes(value: string): string {
  return /^[\x20-\x7e]*$/.test(value) ? value : Buffer.from(value, 'utf8').toString('latin1');
}

/** `WWW-Authenticate` (RFC 6750, section 3): without an error if the request had no credential. */
function challenge(code: string): string {
  return code === 'invalid_token'
    ? 'Bearer realm="postern", error="invalid_token"'
    : 'Bearer realm="postern"';
}

/**
 * The `Content-Disposition` of a grant (RFC 6266) in ASCII: other names use `filename*` (RFC 8187), with
 * a readable ASCII name for old clients.
 */
export function dispositionOf(grant: Grant): string | undefined {
  const { filename, disposition: type = 'attachment' } = grant;
  if (filename === undefined) return grant.disposition;
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

/**
 * Minimum age of the resume cookie in seconds: it must survive a restart of the browser, and most
 * prolonged grants. Without the token it is worthless.
 */
const RESUME_MIN_AGE = 7 * 86_400;

const NONE: readonly string[] = [];

/** The `Set-Cookie` values of a requester that may go on, at most two. */
export function setCookies(
  decision: Confirmed,
  { sameSite, secure, partitioned }: CookieSettings,
): readonly string[] {
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

/** Percent-encodes `%`, characters other than printable ASCII, and spaces that HTTP would trim. */
export function printable(value: string): string {
  return /^[\x21-\x24\x26-\x7e]*$/.test(value)
    ? value
    : value.replace(/[^\x20-\x24\x26-\x7e]+|^ +| +$/gu, encodeURIComponent);
}
