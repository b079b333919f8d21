import { Unavailable } from './store.ts';

/** nginx waits two seconds, and then counts the gate as failed. */
const LONGEST_MS = 1500;

/** What a decision needs was answered too slowly. */
export class TooLate extends Unavailable {
  override readonly name = 'TooLate';
}

export interface Deadline {
  /** Nobody waits for the decision any more. */
  readonly late: TooLate | undefined;
}

/** Rejects work that does not end in time; `began` is by `performance.now()`. */
export type Within = <T>(began: number, work: (deadline: Deadline) => Promise<T>) => Promise<T>;

interface Open {
  late: TooLate | undefined;
  readonly endsAt: number;
  readonly reject: (late: TooLate) => void;
}

/**
 * Gives all work the same time. It ends in the order in which it began, so one timer serves all of it. What
 * is late goes on until it looks at its deadline.
 */
export function createWithin(ms = LONGEST_MS): Within {
  const open = new Set<Open>();
  let timer: NodeJS.Timeout | undefined;

  function wait(left: number): void {
    timer = setTimeout(endLate, left);
    timer.unref();
  }

  function endLate(): void {
    timer = undefined;
    const now = performance.now();
    for (const one of open) {
      if (one.endsAt > now) {
        wait(one.endsAt - now);
        return;
      }
      open.delete(one);
      one.late = new TooLate(`the decision took longer than ${ms} ms`);
      one.reject(one.late);
    }
  }

  return (began, work) =>
    new Promise((resolve, reject) => {
      const one: Open = { late: undefined, endsAt: began + ms, reject };
      open.add(one);
      if (timer === undefined) wait(ms);
      work(one).then(
        (value) => {
          open.delete(one);
          resolve(value);
        },
        (error) => {
          open.delete(one);
          reject(error);
        },
      );
    });
}
