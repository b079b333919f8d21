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
 * Runs tasks in order: together up to the size `max`, or one larger task. Lets the event loop handle other
 * requests before the next task. Otherwise a decision would have to wait for a chunk of each batch.
 */
export function createQueue(max = 1) {
  const waiting: Array<{ readonly size: number; readonly start: () => void }> = [];
  let running = 0;

  function startNext(): void {
    const [next] = waiting;
    if (next === undefined || (running > 0 && running + next.size > max)) return;
    waiting.shift();
    running += next.size;
    next.start();
    if (waiting.length > 0) setImmediate(startNext);
  }

  return async function enqueue<T>(task: () => Promise<T>, size = 1): Promise<T> {
    await new Promise<void>((start) => {
      waiting.push({ size, start });
      startNext();
    });
    try {
      return await task();
    } finally {
      setImmediate(() => {
        running -= size;
        startNext();
      });
    }
  };
}
