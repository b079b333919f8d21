/** Requests of a batch that are handled at a time: about a millisecond of work. */
const CHUNK_LENGTH = 50;

/**
 * The chunks of a batch. Between two chunks the event loop handles other requests: the gate runs in the
 * same process, and a whole batch would delay every download.
 */
export async function* inChunks<T>(batch: readonly T[]): AsyncGenerator<readonly T[]> {
  for (let begin = 0; begin < batch.length; begin += CHUNK_LENGTH) {
    if (begin > 0) await new Promise((resolve) => setImmediate(resolve));
    yield batch.slice(begin, begin + CHUNK_LENGTH);
  }
}

/**
 * Runs one task at a time, in order, and lets the event loop handle other requests before the next task.
 * Otherwise a decision would have to wait for a chunk of each batch.
 */
export function createQueue() {
  let last: Promise<unknown> = Promise.resolve();
  return function enqueue<T>(task: () => Promise<T>): Promise<T> {
    const done = last.then(task);
    const yieldOnce = () => new Promise((resolve) => setImmediate(resolve));
    last = done.then(yieldOnce, yieldOnce);
    return done;
  };
}
