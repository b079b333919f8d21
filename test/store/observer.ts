import type { StoreObserver } from '../../service/store/connection/connection.ts';

/** An observer with the functions that the test needs. */
export function observerOf(more: Partial<StoreObserver> = {}): StoreObserver {
  const none = {
    connected() {},
    confirmed() {},
    redirected() {},
    late() {},
    evicts() {},
    failedOver() {},
  };
  return { ...none, ...more };
}
