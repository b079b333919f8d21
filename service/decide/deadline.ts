import { Unavailable } from '../token/store.ts';

/** nginx waits two seconds, and then counts the gate as failed. */
const MAX_MS = 1500;

export class TooLate extends Unavailable {
  override readonly name = 'TooLate';
}

/** The time limit of one decision. */
export interface Deadline {
  /** Set after the deadline, when the response was already sent. */
  readonly late: TooLate | undefined;
  /** By `performance.now()`. */
  readonly endsAt: number;
}

/**
 * Limits the time of a decision that began at this `performance.now()`: calls `onLate`, unless `end` comes in time.
 * The decision continues until it checks its deadline.
 */
export function startDeadline(began: number, onLate: (late: TooLate) => void, ms = MAX_MS) {
  const deadline = {
    late: undefined as TooLate | undefined,
    endsAt: began + ms,
    /** False if the deadline has passed. */
    end(): boolean {
      clearTimeout(timer);
      return deadline.late === undefined;
    },
  };
  const timer = setTimeout(() => {
    deadline.late = new TooLate(`the decision took longer than ${ms} ms`);
    onLate(deadline.late);
  }, ms);
  return deadline satisfies Deadline;
}
