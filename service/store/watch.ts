import type { StoreObserver } from './connection.ts';

/** Reports each check to an observer, and when another master answers than before. */
export function createWatch(observer: StoreObserver | undefined) {
  let masters: readonly string[] = [];
  let failedAt: number | undefined;

  return {
    failed(): void {
      failedAt ??= performance.now();
      observer?.connected(false);
    },
    answered(names: readonly string[]): void {
      const isReplaced =
        masters.some((name) => !names.includes(name)) &&
        names.some((name) => !masters.includes(name));
      const now = performance.now();
      if (isReplaced) observer?.failedOver((now - (failedAt ?? now)) / 1000);
      masters = names;
      failedAt = undefined;
      observer?.connected(true);
    },
  };
}
