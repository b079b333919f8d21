import type { Grant } from './grant.ts';
import type { Rejection } from './look-up.ts';
import type { Redeemed } from './requester.ts';

/** The client's request as nginx reports it. Strings hold one character per byte. */
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
  /** The browser fetches ahead, without a request of the user. */
  readonly prefetch: boolean;
  /** The browser fetches the script of a service worker. */
  readonly serviceWorker: boolean;
}

export type DenyCode =
  | 'missing_token'
  | 'invalid_token'
  | 'insufficient_scope'
  | 'prefetch'
  | 'invalid_request'
  | 'path_is_folder'
  | 'unavailable';

export interface Cookie {
  readonly value: string;
  /** As the client spells it. */
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
  /** In an object store: the name below the internal prefix, percent-encoded as `args` sign it. */
  readonly object?: string;
  /** Seconds for which nginx may reuse the decision. */
  readonly reuseFor: number;
  /** With `uses`: whether the requester is known or new. */
  readonly redeemed?: Redeemed;
  /** Identifies the requester when it resumes. */
  readonly resumeCookie?: Cookie;
  readonly tokenCookie?: Cookie;
}

export interface Deny {
  readonly allow: false;
  readonly code: DenyCode;
  readonly id?: string | undefined;
  readonly path?: string;
  readonly subject?: string | undefined;
  /** The grant exists, but not for this requester: no use is left, or it came too late. */
  readonly refused?: true;
  /** Where a login page may send the browser back to, percent-encoded. */
  readonly returnUrl?: string | undefined;
  /** Why a JWT is rejected. */
  readonly rejection?: Rejection | undefined;
  /** Why the decision is `unavailable`. */
  readonly cause?: unknown;
}

export type Decision = Allow | Deny;
