/** Requests of one batch that are handled at a time: about a millisecond of work. */
const AT_A_TIME = 50;

/**
 * The parts of a batch. Between two of them the event loop serves others: the gate answers in the same
 * process, and a whole batch would keep every download waiting.
 */
export async function* inPieces<T>(batch: readonly T[]): AsyncGenerator<readonly T[]> {
  for (let begin = 0; begin < batch.length; begin += AT_A_TIME) {
    if (begin > 0) await new Promise((resolve) => setImmediate(resolve));
    yield batch.slice(begin, begin + AT_A_TIME);
  }
}

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
