/** One field that is wrong: a JSON pointer (RFC 6901) into the body, and what would be right. */
export interface Fault {
  readonly pointer: string;
  readonly detail: string;
}

/** What is wrong with a request: `malformed` for anyone, `beyond` for this client alone. */
export interface Faults {
  readonly malformed: Fault[];
  readonly beyond: Fault[];
}

/** A request is not examined any further once so many are found: an array of 1000 may have thousands. */
export const MAX_FAULTS = 50;

export type RefusalCode =
  | 'invalid_request'
  | 'insufficient_scope'
  | 'not_found'
  | 'unsupported_token_type';

/** A request to the API that is understood and refused. The code is stable; the text is not. */
export class Refused extends Error {
  override readonly name = 'Refused';
  readonly code: RefusalCode;
  readonly faults: readonly Fault[];

  constructor(code: RefusalCode, detail: string, faults: readonly Fault[] = []) {
    super(detail);
    this.code = code;
    this.faults = faults;
  }
}
