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
