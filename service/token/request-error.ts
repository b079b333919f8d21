/** An invalid field: a JSON pointer (RFC 6901) into the body, and a description of valid values. */
export interface FieldError {
  readonly pointer: string;
  readonly detail: string;
}

/** Checks stop after this number of errors: a batch may have thousands. */
export const MAX_ERRORS = 20;

/** The errors of a request, or of all requests in a batch. */
export class FieldErrors {
  /** Invalid for every client. */
  readonly malformed: FieldError[];
  /** Valid, but forbidden for this client. */
  readonly forbidden: FieldError[];
  readonly #pointer: string;

  /** @param pointer the request in the body: empty, or `/3` for the fourth of a batch */
  constructor(pointer = '', { malformed = [], forbidden = [] }: Partial<FieldErrors> = {}) {
    this.#pointer = pointer;
    this.malformed = malformed;
    this.forbidden = forbidden;
  }

  /** Adds to the same errors, for the request at this pointer. */
  at(pointer: string): FieldErrors {
    return new FieldErrors(pointer, this);
  }

  /** Adds an error of a field, or of the request itself if `field` is empty. A check can return the result. */
  add(field: string, detail: string | undefined, isForbidden = false): undefined {
    if (detail === undefined) return;
    const pointer = field === '' ? this.#pointer : `${this.#pointer}/${field}`;
    (isForbidden ? this.forbidden : this.malformed).push({ pointer, detail });
  }

  get all(): readonly FieldError[] {
    return [...this.malformed, ...this.forbidden];
  }
}

export type RequestErrorCode =
  | 'invalid_request'
  | 'insufficient_scope'
  | 'not_found'
  | 'unsupported_token_type';

/** A rejected request to the API. The code is stable; the text is not. */
export class RequestError extends Error {
  override readonly name = 'RequestError';
  readonly code: RequestErrorCode;
  readonly errors: readonly FieldError[];

  constructor(code: RequestErrorCode, detail: string, errors: readonly FieldError[] = []) {
    super(detail);
    this.code = code;
    this.errors = errors;
  }
}
