import { Unavailable } from './store.ts';

/** nginx waits two seconds, and then counts the gate as failed. */
const MAX_MS = 1500;

export class TooLate extends Unavailable {
  override readonly name = 'TooLate';
}

/** The time limit of one decision. Late work continues until it checks this. */
export interface Deadline {
  /** Set once nobody waits for the decision any more. */
  readonly late: TooLate | undefined;
  /** By `performance.now()`. */
  readonly endsAt: number;
}

/** Calls `onLate` unless `end` comes in time, which then returns true. */
export function startDeadline(onLate: (late: TooLate) => void, ms = MAX_MS) {
  const deadline = {
    late: undefined as TooLate | undefined,
    endsAt: performance.now() + ms,
    end(): boolean {
      clearTimeout(timer);
      return deadline.late === undefined;
    },
  };
  const timer = setTimeout(() => {
    deadline.late = new TooLate(`the decision took longer than ${ms} ms`);
    onLate(deadline.late);
  }, ms);
  return deadline;
}
