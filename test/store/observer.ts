import type { StoreObserver } from '../../service/store/connection.ts';

/** An observer of what the test is about. */
export function observerOf(more: Partial<StoreObserver> = {}): StoreObserver {
  return { connected() {}, confirmed() {}, redirected() {}, failedOver() {}, ...more };
}
