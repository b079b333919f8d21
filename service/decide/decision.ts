import type { SignedFile } from '../paths/mount.ts';
import type { Grant } from '../token/grant.ts';
import type { Rejection } from '../token/look-up.ts';
import type { Redeemed } from '../token/uses.ts';

/** The requester's request as nginx reports it. Strings hold one character per byte. */
export interface GateRequest {
  /** `$request_uri`: raw, with the query. */
  readonly uri: string;
  readonly method: string;
  /** `$server_name`. */
  readonly site: string;
  readonly authorization: string | undefined;
  /** Tokens from cookies, separated by spaces, the longest cookie path first. */
  readonly cookie: string | undefined;
  /** Values of the resume cookies, in the same order. */
  readonly resume: string | undefined;
  readonly address: string | undefined;
  /** When the download began, from nginx: for a later slice of it. See started.ts. */
  readonly started?: string | undefined;
  /** The browser prefetches: the user has not requested the URL. */
  readonly prefetch: boolean;
  /** The browser fetches the script of a service worker. */
  readonly serviceWorker: boolean;
  /** Present for a POST, which nginx passes on to the gate with its body. */
  readonly confirmation?: Confirmation | undefined;
}

/** The content of a POST that confirms a requester. */
export interface Confirmation {
  /** `Sec-Fetch-Site` and `Origin` of the browser. A program sends neither. */
  readonly fetchSite: string | undefined;
  readonly origin: string | undefined;
  /** `$http_host`. */
  readonly host: string | undefined;
  readonly pin: string | undefined;
}

/** How nginx asks for a decision: the endpoint of the gate. */
export type Mode = 'auth_request' | 'x-accel' | 'confirm';

export const DENY_CODES = [
  ...(['missing_token', 'invalid_token', 'insufficient_scope', 'prefetch'] as const),
  ...(['invalid_request', 'path_is_folder', 'confirmation_required'] as const),
  ...(['pin_required', 'pin_wrong', 'cross_origin', 'unavailable'] as const),
] as const;

export type DenyCode = (typeof DENY_CODES)[number];

export interface Cookie {
  readonly value: string;
  /** The path as the requester spells it. */
  readonly path: string;
}

export interface Allow {
  readonly allow: true;
  readonly id: string;
  readonly grant: Grant;
  readonly path: string;
  /** The internal URI, decoded. */
  readonly target: string;
  /** Its query, encoded, without `?`; may be empty. */
  readonly args: string;
  /** The name of the file in an object store and the query, instead of `args`. */
  readonly signed?: SignedFile;
  /** Seconds for which nginx may cache the decision. */
  readonly reuseFor: number;
  /** Seconds for which the browser may keep the file; absent: it may not. */
  readonly maxAge?: number;
  /** With `uses`: whether the requester is known or new. */
  readonly redeemed?: Redeemed;
  /** Identifies the requester when it resumes. */
  readonly resumeCookie?: Cookie;
  readonly tokenCookie?: Cookie;
  /** The target is a folder, which nginx lists: its path from the covered folder, `hls/part-1`. */
  readonly listing?: string;
}

/** A requester has used a grant, and gets these cookies. */
export type Used = Pick<
  Allow,
  'id' | 'grant' | 'path' | 'redeemed' | 'resumeCookie' | 'tokenCookie'
>;

/** A POST has confirmed the requester. Only a GET of the same URL then gets the file. */
export interface Confirmed extends Used {
  readonly allow: false;
  readonly code: 'confirmed';
}

export interface ConfirmPage {
  readonly file: string;
  /** Until when a new requester is admitted: milliseconds since the epoch. */
  readonly until: number;
  /** What the browser shows after the confirmation. Absent: it saves a file. */
  readonly opens?: 'folder' | 'file';
  /** Bytes. */
  readonly size?: number;
  readonly sender?: string;
  /** After a wrong PIN: the attempts that are left. */
  readonly left?: number;
}

export interface Deny {
  readonly allow: false;
  readonly code: DenyCode;
  readonly id?: string | undefined;
  readonly path?: string;
  readonly subject?: string | undefined;
  /** The grant exists, but this requester may not use it: no use is left, or its time is over. */
  readonly refused?: true;
  /** This request has revoked the grant: its PIN was wrong too often. */
  readonly locked?: Grant;
  /** The requester may confirm. */
  readonly page?: ConfirmPage;
  /** The URL to which a login page may send the browser back, percent-encoded. */
  readonly returnUrl?: string | undefined;
  readonly rejection?: Rejection | undefined;
  /** Why the decision is `unavailable`. */
  readonly cause?: unknown;
}

export type Decision = Allow | Confirmed | Deny;

export function isUsed(decision: Decision): decision is Allow | Confirmed {
  return decision.allow || decision.code === 'confirmed';
}

export function deny(code: DenyCode, facts: Omit<Deny, 'allow' | 'code'> = {}): Deny {
  return { allow: false, code, ...facts };
}
