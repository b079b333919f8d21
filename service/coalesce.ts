/**
 * Runs a task one at a time. However often it is called during a run, one more run follows. The promise settles with
 * a run that began after the call.
 */
export function coalesce(task: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  let next: Promise<void> | undefined;

  function start(): Promise<void> {
    next = undefined;
    running = task().finally(() => {
      running = undefined;
    });
    return running;
  }

  return () => {
    if (next === undefined && running === undefined) return start();
    next ??= (running as Promise<void>).then(start, start);
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
