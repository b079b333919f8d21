/** For pages, events and repeated log lines. Returns a function that is true for the first `max` calls with each key in each second. */
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
