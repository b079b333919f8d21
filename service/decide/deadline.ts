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

interface Pending extends Deadline {
  late: TooLate | undefined;
  /** In the list of pending decisions; -1: not in it any more. */
  index: number;
  readonly onLate: (late: TooLate) => void;
}

export type Deadlines = ReturnType<typeof createDeadlines>;

/**
 * Limits the time of each decision, with one timer for all: a timer for each decision costs 0.6 µs of CPU time.
 * After the deadline, a decision continues until it checks its deadline.
 *
 * The list is an array, not a Set: a Set that grows and shrinks keeps its earlier tables reachable, and with
 * them each ended decision, until the next full garbage collection. That cost 6 µs per decision.
 */
export function createDeadlines(ms = MAX_MS) {
  const pending: Pending[] = [];
  let timer: NodeJS.Timeout | undefined;

  function wait(left: number): void {
    timer = setTimeout(endLate, left);
    timer.unref();
  }

  function endLate(): void {
    timer = undefined;
    const now = performance.now();
    let next = Number.POSITIVE_INFINITY;
    for (const one of [...pending]) {
      if (one.endsAt > now) {
        next = Math.min(next, one.endsAt);
        continue;
      }
      remove(one);
      one.late = new TooLate(`the decision took longer than ${ms} ms`);
      one.onLate(one.late);
    }
    if (pending.length > 0) wait(next - now);
  }

  /** Moves the last decision to the place of the removed one. */
  function remove(one: Pending): void {
    const last = pending.pop() as Pending;
    if (last !== one) {
      pending[one.index] = last;
      last.index = one.index;
    }
    one.index = -1;
  }

  return {
    /** Calls `onLate` unless `end` comes in time. `began`: by `performance.now()`. */
    begin(began: number, onLate: (late: TooLate) => void): Deadline {
      const one: Pending = { late: undefined, endsAt: began + ms, index: pending.length, onLate };
      pending.push(one);
      if (timer === undefined) wait(ms);
      return one;
    },
    /** False if the deadline has passed, or if it was called before. */
    end(deadline: Deadline): boolean {
      const one = deadline as Pending;
      if (one.index < 0) return false;
      remove(one);
      return true;
    },
  };
}
