import { Unavailable } from './store.ts';

/** nginx waits two seconds, and then counts the gate as failed. */
const MAX_MS = 1500;

export class TooLate extends Unavailable {
  override readonly name = 'TooLate';
}

export interface Deadline {
  /** Set once nobody waits for the decision any more. */
  readonly late: TooLate | undefined;
}

/** Rejects if the work does not end in time. `began`: by `performance.now()`. */
export type WithDeadline = <T>(
  began: number,
  work: (deadline: Deadline) => Promise<T>,
) => Promise<T>;

interface Pending {
  late: TooLate | undefined;
  readonly endsAt: number;
  readonly reject: (late: TooLate) => void;
}

/**
 * Gives all work the same time. It ends in the order in which it began, so one timer is enough. Late
 * work continues until it checks its deadline.
 */
export function createWithDeadline(ms = MAX_MS): WithDeadline {
  const pending = new Set<Pending>();
  let timer: NodeJS.Timeout | undefined;

  function wait(left: number): void {
    timer = setTimeout(endLate, left);
    timer.unref();
  }

  function endLate(): void {
    timer = undefined;
    const now = performance.now();
    for (const one of pending) {
      if (one.endsAt > now) {
        wait(one.endsAt - now);
        return;
      }
      pending.delete(one);
      one.late = new TooLate(`the decision took longer than ${ms} ms`);
      one.reject(one.late);
    }
  }

  return (began, work) =>
    new Promise((resolve, reject) => {
      const one: Pending = { late: undefined, endsAt: began + ms, reject };
      pending.add(one);
      if (timer === undefined) wait(ms);
      work(one).then(
        (value) => {
          pending.delete(one);
          resolve(value);
        },
        (error) => {
          pending.delete(one);
          reject(error);
        },
      );
    });
}
