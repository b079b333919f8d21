/**
 * Runs one piece of work at a time, in the order in which it was asked for, and lets the event loop serve
 * others before the next. Many batches at once would leave the gate one turn of many.
 */
export function createTurns() {
  let last: Promise<unknown> = Promise.resolve();
  return function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = last.then(work);
    const others = () => new Promise((resolve) => setImmediate(resolve));
    last = done.then(others, others);
    return done;
  };
}
