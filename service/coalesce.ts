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
