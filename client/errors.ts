/** A code of Postern's API, as in the table of docs/reference/http.md. */
export type ApiErrorCode =
  | 'invalid_client'
  | 'invalid_request'
  | 'insufficient_scope'
  | 'unsupported_token_type'
  | 'not_found'
  | 'method_not_allowed'
  | 'content_too_large'
  | 'too_many_requests'
  | 'unsupported_media_type'
  | 'internal_error'
  | 'unavailable';

/**
 * A code of the API, or of the client: `timeout` and `unreachable` if there was no response,
 * `unexpected_response` if the response is not from Postern's API.
 */
export type ErrorCode = ApiErrorCode | 'timeout' | 'unreachable' | 'unexpected_response';

/** An invalid field of a request. */
export interface InvalidField {
  /** JSON pointer into the request: `/expires_in`, or `/3/expires_in` for the fourth of `issueMany`. */
  readonly pointer: string;
  /** A description of valid values. For developers; it can change. */
  readonly detail: string;
}

/** The details of an error besides its code. */
type ErrorDetails = Partial<
  Pick<PosternError, 'status' | 'detail' | 'errors' | 'requestId' | 'retryAfter' | 'cause'>
>;

/**
 * A request failed. Test for `code`: the texts can change. It never contains the key or a token.
 *
 * @example
 * ```ts
 * try {
 *   await postern.show(id);
 * } catch (error) {
 *   if (error instanceof PosternError && error.code === 'not_found') return undefined;
 *   throw error;
 * }
 * ```
 */
export class PosternError extends Error {
  override readonly name = 'PosternError';
  /** Stable. */
  readonly code: ErrorCode;
  /** The HTTP status; absent without a response. */
  readonly status: number | undefined;
  /** The reason, as the API gives it. */
  readonly detail: string;
  /** Up to 20 invalid fields, with `invalid_request` and `insufficient_scope`. */
  readonly errors: readonly InvalidField[];
  /** Finds the request in Postern's audit log. */
  readonly requestId: string | undefined;
  /** Seconds after which the same request may work, with `unavailable` and `too_many_requests`. */
  readonly retryAfter: number | undefined;

  constructor(code: ErrorCode, details: ErrorDetails) {
    const { status, detail = '', errors = [], requestId, retryAfter, cause } = details;
    const fields = errors.map((error) => `\n  ${error.pointer}: ${error.detail}`).join('');
    const about = status === undefined ? code : `${code} (${status})`;
    super(`${about}${detail && `: ${detail}`}${fields}`, { cause });
    this.code = code;
    this.status = status;
    this.detail = detail;
    this.errors = errors;
    this.requestId = requestId;
    this.retryAfter = retryAfter;
  }
}
