import type { StoreObserver } from './connection.ts';

/** Reports each check to an observer, and when another master answers than before. */
export function createWatch(observer: StoreObserver | undefined) {
  let masters: readonly string[] = [];
  let failedAt: number | undefined;
  /** The last check found one more. */
  let wasAdded = false;

  return {
    failed(): void {
      failedAt ??= performance.now();
      observer?.connected(false);
    },
    answered(names: readonly string[]): void {
      const isGone = masters.some((name) => !names.includes(name));
      const isNew = masters.length > 0 && names.some((name) => !masters.includes(name));
      // A cluster may name the old one for one check longer.
      const isReplaced = isNew ? isGone || failedAt !== undefined : isGone && wasAdded;
      wasAdded = isNew && !isReplaced;
      const now = performance.now();
      if (isReplaced) observer?.failedOver((now - (failedAt ?? now)) / 1000);
      masters = names;
      failedAt = undefined;
      observer?.connected(true);
    },
  };
}
