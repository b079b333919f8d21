import { Unavailable } from '../token/store.ts';

/** nginx waits two seconds, and then counts the gate as failed. */
const MAX_MS = 1500;

export interface Deadline {
  /** Set after the deadline, when the response was already sent. */
  readonly late: Unavailable | undefined;
}

/**
 * Calls `onLate` at the deadline, unless `end` comes first. The decision continues until it checks its deadline. After a
 * pause of this process, replies that have arrived still count, so the sockets are read once more.
 */
export function startDeadline(onLate: (late: Unavailable) => void, ms = MAX_MS) {
  let hasEnded = false;
  const deadline = {
    late: undefined as Unavailable | undefined,
    /** False if the deadline has passed. */
    end(): boolean {
      hasEnded = true;
      clearTimeout(timer);
      return deadline.late === undefined;
    },
  };
  const expire = () => {
    if (hasEnded) return;
    deadline.late = new Unavailable(`the decision took longer than ${ms} ms`);
    onLate(deadline.late);
  };
  const timer = setTimeout(() => setImmediate(expire), ms);
  return deadline satisfies Deadline;
}
