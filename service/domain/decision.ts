import type { Grant } from './grant.ts';
import type { Rejection } from './look-up.ts';
import type { Redeemed } from './requester.ts';

/** What nginx tells of the client's request; strings hold one character a byte. */
export interface GateRequest {
  /** `$request_uri`: raw, with the query. */
  readonly uri: string;
  readonly method: string;
  /** `$server_name`. */
  readonly site: string;
  readonly authorization: string | undefined;
  /** The tokens that cookies hold, parted by spaces; the one of the longest path first. */
  readonly cookie: string | undefined;
  /** What the resume cookies hold, in the same way. */
  readonly resume: string | undefined;
  /** The client's address. */
  readonly address: string | undefined;
  /** Whether a browser fetches what nobody has asked for yet. */
  readonly prefetch: boolean;
  /** Whether a browser fetches the script of a service worker. */
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

/** A cookie for the client: its value, and its path as the client spells it. */
export interface Cookie {
  readonly value: string;
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
  /** Seconds for which nginx may reuse the decision. */
  readonly reuseFor: number;
  /** Where requesters are told apart: what this one is. */
  readonly redeemed?: Redeemed;
  /** By which the requester is known again. */
  readonly resumeCookie?: Cookie;
  /** Which holds the token. */
  readonly tokenCookie?: Cookie;
}

export interface Deny {
  readonly allow: false;
  readonly code: DenyCode;
  readonly id?: string | undefined;
  readonly path?: string;
  readonly subject?: string | undefined;
  /** The grant is there, and not for this requester: its uses are taken, or it came too late. */
  readonly refused?: true;
  /** Where a login page may send the browser back to, percent-encoded. */
  readonly returnUrl?: string | undefined;
  /** Why a JWT is not good. */
  readonly rejection?: Rejection | undefined;
  /** Why the store was unavailable. */
  readonly cause?: unknown;
}

export type Decision = Allow | Deny;
