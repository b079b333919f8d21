/**
 * Runs one piece of work at a time, in the order in which it was asked for. Many batches at once would
 * share the event loop with the gate in equal parts, and leave it one of many.
 */
export function createTurns() {
  let last: Promise<unknown> = Promise.resolve();
  return function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = last.then(work);
    last = done.catch(() => {});
    return done;
  };
}
