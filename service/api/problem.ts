import type { Context } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import type { Logger } from 'pino';
import { type Fault, MAX_FAULTS, Refused } from '../domain/errors.ts';
import { Unavailable } from '../domain/store.ts';
import { PROBLEM_TYPE, type ProblemCode, problemBody, statusOf } from '../problem.ts';

export function problem(
  c: Context,
  code: ProblemCode,
  detail?: string,
  faults: readonly Fault[] = [],
): Response {
  const body = problemBody(code, detail, faults.slice(0, MAX_FAULTS));
  return c.body(body, statusOf(code) as ContentfulStatusCode, { 'Content-Type': PROBLEM_TYPE });
}

/** The one place where an error becomes an answer. What a 5xx was about stays in the log. */
export function problemOf(error: Error, c: Context, log: Logger, shown?: string): Response {
  if (error instanceof Refused) return problem(c, error.code, error.message, error.faults);
  if (error instanceof Unavailable) {
    // Its message is enough on so many lines: every request has one while it lasts.
    log.error({ reason: error.message }, `${error.what} is unavailable`);
    c.header('Retry-After', '5');
    return problem(c, 'unavailable', shown ?? `There is no answer from ${error.what}.`);
  }
  // The client hung up in the middle of its body: no fault of ours, and nobody reads the answer.
  if ((error as NodeJS.ErrnoException).code === 'ECONNRESET') {
    log.debug('a client hung up');
    return problem(c, 'invalid_request');
  }
  log.error({ err: error }, 'a request failed');
  return problem(c, 'internal_error');
}
