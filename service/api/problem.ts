import type { Context } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import type { Logger } from 'pino';
import { type FieldError, MAX_ERRORS, Refused } from '../domain/errors.ts';
import { Unavailable, Unconfirmed } from '../domain/store.ts';
import { PROBLEM_TYPE, type ProblemCode, problemBody, statusOf } from '../problem.ts';

export function problem(
  c: Context,
  code: ProblemCode,
  detail?: string,
  errors: readonly FieldError[] = [],
  more: object = {},
): Response {
  const body = problemBody(code, detail, errors.slice(0, MAX_ERRORS), more);
  return c.body(body, statusOf(code) as ContentfulStatusCode, { 'Content-Type': PROBLEM_TYPE });
}

const UNCONFIRMED = 'Applied, not yet confirmed: repeat the request.';

/** Turns every error into a response. Details of a 5xx appear only in the log. */
export function problemOf(
  error: Error,
  c: Context,
  log: Logger,
  health: { readonly shown?: string | undefined; readonly more?: object | undefined } = {},
): Response {
  if (error instanceof Refused) return problem(c, error.code, error.message, error.errors);
  if (error instanceof Unavailable) {
    // Without a stack trace: every request logs this until it is fixed.
    log.error({ reason: error.message }, `${error.what} is unavailable`);
    c.header('Retry-After', '5');
    const detail =
      error instanceof Unconfirmed ? UNCONFIRMED : `There is no answer from ${error.what}.`;
    return problem(c, 'unavailable', health.shown ?? detail, [], health.more);
  }
  // The client closed the connection while it sent the body. Nobody reads this response.
  if ((error as NodeJS.ErrnoException).code === 'ECONNRESET') {
    log.debug('a client closed its connection');
    return problem(c, 'invalid_request');
  }
  log.error({ err: error }, 'a request failed');
  return problem(c, 'internal_error');
}
