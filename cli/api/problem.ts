import { Failure } from '../failure.ts';
import { plain } from '../plain.ts';
import { ADVICE } from './advice.ts';

export interface Fault {
  /** JSON pointer into the body: `/3/path`. */
  readonly pointer: string;
  readonly detail: string;
}

/** The API has refused, as RFC 9457 has it. */
export class Problem extends Failure {
  override readonly name = 'Problem';
  readonly code: string;
  readonly status: number;
  readonly detail: string;
  readonly faults: readonly Fault[];

  /** `place` names a fault's field for a person; the body's own name where nothing is said. */
  constructor(
    { code, status, detail, faults }: Pick<Problem, 'code' | 'status' | 'detail' | 'faults'>,
    place = (pointer: string) => pointer.replace(/^\//, ''),
  ) {
    const advice = ADVICE[code];
    super(
      [
        `${plain(code)} (${status})${detail && `: ${plain(detail)}`}`,
        ...faults.map((fault) => `  ${plain(place(fault.pointer))}: ${plain(fault.detail)}`),
        ...(advice === undefined ? [] : [advice]),
      ].join('\n'),
    );
    this.code = code;
    this.status = status;
    this.detail = detail;
    this.faults = faults;
  }
}

/** A problem document as an error; undefined if it is none. */
export function problemOf(status: number, body: unknown): Problem | undefined {
  const { code, detail, errors } = (body ?? {}) as Record<string, unknown>;
  if (typeof code !== 'string') return undefined;
  const faults = (Array.isArray(errors) ? errors : []).map((error) => {
    const { pointer, detail: what } = (error ?? {}) as Record<string, unknown>;
    return { pointer: String(pointer).replace(/^#/, ''), detail: String(what) };
  });
  return new Problem({ code, status, detail: typeof detail === 'string' ? detail : '', faults });
}
