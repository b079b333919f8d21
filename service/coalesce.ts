/**
 * Runs a task one at a time. However often it is called during a run, one more run follows. The promise settles with
 * a run that began after the call. Calls until `gather` resolves share the run, as in a group commit.
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
    const [taken, waiting] = [items, callers];
    [items, callers, size] = [[], [], 0];
    try {
      const results = await handle(taken);
      for (const [i, { resolve, reject }] of waiting.entries()) {
        const result = results[i];
        if (result instanceof Error) reject(result);
        else resolve(result as R);
      }
    } catch (error) {
      for (const { reject } of waiting) reject(error);
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

/** Returns a function that is true for the first `max` calls with each key in each second. */
export function perSecond(max: number, now = () => performance.now()): (key?: string) => boolean {
  const counts = new Map<string, number>();
  let second = 0;
  return (key = '') => {
    const current = Math.floor(now() / 1000);
    if (current !== second) counts.clear();
    second = current;
    const count = (counts.get(key) ?? 0) + 1;
    counts.set(key, count);
    return count <= max;
  };
}

/** Limits `write` to one call per minute, because each event or request could cause one. */
export function perMinute(write: (what: string) => void): (what: string) => void {
  let quietUntil = 0;
  return (what) => {
    const now = performance.now();
    if (now < quietUntil) return;
    quietUntil = now + 60_000;
    write(what);
  };
}
