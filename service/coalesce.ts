/**
 * Runs a task one at a time. However often it is called during a run, one more run follows. The promise settles with
 * a run that began after the call. Calls before `gather` resolves share the run; it must not reject.
 */
export function coalesce<T>(
  task: () => Promise<T>,
  gather: () => Promise<unknown> = async () => {},
): () => Promise<T> {
  let running: Promise<unknown> = Promise.resolve();
  let next: Promise<T> | undefined;

  async function start(): Promise<T> {
    await running;
    await gather();
    next = undefined;
    const result = task();
    running = result.catch(() => {});
    return result;
  }

  return () => {
    next ??= start();
    return next;
  };
}

/**
 * Collects the items of one turn of the event loop, and handles them together. `handle` returns a result for each item,
 * in their order. If a result is an Error, only the caller with that item gets it. The sizes of the items in a call add
 * up to at most `max`, unless one item alone is larger.
 */
export function together<T, R>(
  handle: (items: readonly T[]) => Promise<ReadonlyArray<R | Error>>,
  max = Number.POSITIVE_INFINITY,
  sizeOf: (item: T) => number = () => 1,
): (item: T) => Promise<R> {
  let items: T[] = [];
  let callers: Array<{ resolve(result: R): void; reject(error: unknown): void }> = [];
  let size = 0;

  async function flush(): Promise<void> {
    if (items.length === 0) return;
    const [taken, askers] = [items, callers];
    [items, callers, size] = [[], [], 0];
    try {
      const results = await handle(taken);
      for (const [i, { resolve, reject }] of askers.entries()) {
        const result = results[i];
        if (result instanceof Error) reject(result);
        else resolve(result as R);
      }
    } catch (error) {
      for (const { reject } of askers) reject(error);
    }
  }

  return (item) => {
    const more = sizeOf(item);
    if (size + more > max) void flush();
    if (items.length === 0) setImmediate(flush);
    size += more;
    items.push(item);
    return new Promise((resolve, reject) => void callers.push({ resolve, reject }));
  };
}
