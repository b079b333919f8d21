import type { IncomingMessage } from 'node:http';
import type { Context } from 'hono';
import type { Logger } from 'pino';
import { PROBLEM_TYPE, type ProblemCode, problemBody, statusOf } from '../problem.ts';
import type { ApiKey, Client } from '../token/client.ts';
import type { Issue } from '../token/issue.ts';
import type { LookUp } from '../token/look-up.ts';
import { type FieldError, MAX_ERRORS, Refused } from '../token/refused.ts';
import type { Prolong, Revoke } from '../token/revoke.ts';
import { type StoreReads, Unavailable, Unconfirmed } from '../token/store.ts';
import type { Emit } from '../webhooks/event.ts';

export const JSON_TYPE = 'application/json';
export const FORM_TYPE = 'application/x-www-form-urlencoded';

export interface ApiDependencies {
  readonly apiKeys: readonly ApiKey[];
  /** The client of a JWT. */
  readonly clientOf: (credential: string) => Promise<Client | undefined>;
  readonly lookUp: LookUp;
  readonly prolong: Prolong;
  readonly revoke: Revoke;
  readonly publicJwks: () => object;
  /** The metrics in Prometheus' text format; absent: another listener has `/metrics`. */
  readonly metricsText?: () => Promise<string>;
  readonly version: string;
  readonly issue: Issue;
  readonly store: StoreReads;
  /** Absent: no events are recorded. */
  readonly emit?: Emit | undefined;
  readonly log: Logger;
  /** Origin of each `url`; empty: `url` is a path. */
  readonly publicUrl: string;
  /** Origin of the API for clients; absent: there is no metadata. */
  readonly apiUrl?: string | undefined;
}

/** Set by the listener and the middleware. */
export interface ApiEnv {
  Bindings: { incoming?: IncomingMessage };
  Variables: {
    client: Client;
    requestId: string;
    /** The body of a request to an endpoint of OAuth. */
    form: URLSearchParams;
    /** The code of an error response. */
    problem?: ProblemCode;
    audit?: AuditFields;
  };
}

type ActionName = 'issued' | 'shown' | 'listed' | 'prolonged' | 'revoked' | 'introspected';

export interface AuditFields {
  readonly action?: `token.${ActionName}`;
  /** How the request names the tokens that it revokes. */
  readonly by?: 'id' | 'token' | 'jti' | 'subject' | 'client';
  /** The client whose tokens are listed or revoked, if the request names one. */
  readonly owner?: string | undefined;
  readonly token_id?: string | undefined;
  readonly token_ids?: readonly string[];
  readonly count?: number;
  /** The time before which JWTs of the subject are revoked that the client's issuers signed. */
  readonly signed_before?: number | undefined;
  readonly subject?: string | undefined;
  readonly path?: string | undefined;
  readonly prefix?: string | undefined;
  readonly site?: string | undefined;
  readonly expires_in?: number | undefined;
  readonly active?: boolean;
}

/**
 * Every response is made here, from a plain object of headers. Each function of Hono's context that sets a header would
 * make a Headers of undici: 2 µs more for each response.
 */
export function respond(
  c: Context,
  body: string | Uint8Array<ArrayBuffer> | null,
  headers: Readonly<Record<string, string>> = {},
  status = 200,
): Response {
  const id = c.get('requestId');
  const always = { 'Cache-Control': 'no-store', ...(id && { 'X-Request-Id': id }) };
  return new Response(body, { status, headers: { ...always, ...headers } });
}

export function json<T extends object>(c: Context, value: T, status?: number): Response {
  return respond(c, JSON.stringify(value), { 'Content-Type': JSON_TYPE }, status);
}

const OAUTH_PATHS: readonly string[] = ['/introspect', '/revoke'];

export function isOAuth(c: Context): boolean {
  return OAUTH_PATHS.includes(c.req.path);
}

interface More {
  readonly errors?: readonly FieldError[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly members?: object | undefined;
}

/** A problem. At an endpoint of OAuth, it is also the error that RFC 6749, section 5.2, describes. */
export function problem(c: Context, code: ProblemCode, detail?: string, more: More = {}): Response {
  c.set('problem', code);
  const [type, members] = isOAuth(c)
    ? [JSON_TYPE, { error: code, error_description: detail }]
    : [PROBLEM_TYPE, more.members];
  const body = problemBody(code, detail, more.errors?.slice(0, MAX_ERRORS), members);
  return respond(c, body, { 'Content-Type': type, ...more.headers }, statusOf(code));
}

const LATER = { headers: { 'Retry-After': '5' } };

const UNCONFIRMED = 'Applied, not yet confirmed: repeat the request.';

/** Turns every error into a response. Details of a 5xx appear only in the log, or in `shown`. */
export function problemOf(error: Error, c: Context, log: Logger, shown?: string, members?: object) {
  if (error instanceof Refused) {
    return problem(c, error.code, error.message, { errors: error.errors });
  }
  if (error instanceof Unavailable) {
    // The line has no stack trace, because every request logs it until the operator fixes the cause.
    log.error({ reason: error.message }, `${error.what} is unavailable`);
    const isApplied = error instanceof Unconfirmed;
    const detail = isApplied ? UNCONFIRMED : `Postern gets no response from ${error.what}.`;
    return problem(c, 'unavailable', shown ?? detail, { ...LATER, members });
  }
  // The client closed the connection while it sent the body, so it does not receive this response.
  if ((error as NodeJS.ErrnoException).code === 'ECONNRESET') {
    log.debug('a client closed its connection');
    return problem(c, 'invalid_request');
  }
  log.error({ err: error }, 'a request failed');
  return problem(c, 'internal_error');
}
