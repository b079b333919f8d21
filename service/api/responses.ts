import type { Context } from 'hono';
import type { Logger } from 'pino';
import { PROBLEM_TYPE, type ProblemCode, problemBody, statusOf } from '../problem.ts';
import { type FieldError, MAX_ERRORS, RequestError } from '../token/request-error.ts';
import { StoreUnavailable, Unacknowledged, Unavailable } from '../token/store.ts';

export const JSON_TYPE = 'application/json';

/** Makes every response. A function of Hono's context that sets a header would make a Headers of undici: 2 µs more. */
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

const UNACKNOWLEDGED = 'Applied, but replicas have not acknowledged it: repeat the request.';

function detailOf(error: Unavailable): string {
  if (error instanceof Unacknowledged) return UNACKNOWLEDGED;
  const detail = `Postern gets no response from ${error.what}.`;
  const revoked = error instanceof StoreUnavailable ? error.revoked : undefined;
  if (revoked === undefined) return detail;
  return `${detail} ${revoked} tokens are revoked, others may be valid: repeat the request.`;
}

/** Turns every error into a response. Details of a 5xx appear only in the log, or in `shown`. */
export function problemOf(error: Error, c: Context, log: Logger, shown?: string, members?: object) {
  if (error instanceof RequestError) {
    return problem(c, error.code, error.message, { errors: error.errors });
  }
  if (error instanceof Unavailable) {
    // The line has no stack trace, because every request logs it until the operator fixes the cause.
    log.error({ reason: error.message }, `${error.what} is unavailable`);
    return problem(c, 'unavailable', shown ?? detailOf(error), { ...LATER, members });
  }
  // The client closed the connection while it sent the body, so it does not receive this response.
  if ((error as NodeJS.ErrnoException).code === 'ECONNRESET') {
    log.debug('a client closed its connection');
    return problem(c, 'invalid_request');
  }
  log.error({ err: error }, 'a request failed');
  return problem(c, 'internal_error');
}
