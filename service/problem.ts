import { STATUS_CODES } from 'node:http';
import type { DenyCode } from './decide/decision.ts';
import type { FieldError, RequestErrorCode } from './token/request-error.ts';

/** With auth_request, the gate sends 403 instead of 400 (gate/answer.ts). */
const STATUS = {
  missing_token: 401,
  invalid_token: 401,
  insufficient_scope: 403,
  prefetch: 403,
  invalid_request: 400,
  path_is_folder: 400,
  confirmed: 303,
  confirmation_required: 401,
  pin_required: 401,
  pin_wrong: 401,
  cross_origin: 403,
  unavailable: 503,
  not_found: 404,
  unsupported_token_type: 400,
  invalid_client: 401,
  method_not_allowed: 405,
  content_too_large: 413,
  too_many_requests: 429,
  unsupported_media_type: 415,
  internal_error: 500,
} satisfies Record<DenyCode | 'confirmed' | RequestErrorCode, number> & Record<string, number>;

/** Every `code` of a response. Codes are stable: clients test for them, not for the text. */
export type ProblemCode = keyof typeof STATUS;

export const PROBLEM_TYPE = 'application/problem+json';

export function statusOf(code: ProblemCode): number {
  return STATUS[code];
}

/** A problem document (RFC 9457). `errors` names fields by JSON pointer (section 3), `more` are extension members. */
export function problemBody(
  code: ProblemCode,
  detail?: string,
  fieldErrors: readonly FieldError[] = [],
  more: object = {},
): string {
  const status = STATUS[code];
  const errors = fieldErrors.map(({ pointer, detail }) => ({ pointer: `#${pointer}`, detail }));
  return JSON.stringify({
    type: 'about:blank',
    title: STATUS_CODES[status],
    status,
    code,
    detail,
    errors: errors.length > 0 ? errors : undefined,
    ...more,
  });
}
