import type { Grant } from '../domain/grant.ts';

/** Grants by their keys. Times are those of `performance.now()`. */
export interface Remembered {
  readonly size: () => number;
  get(key: string): Grant | undefined;
  keep(key: string, grant: Grant, until: number): void;
  forget(key: string): void;
  clear(): void;
}

/** Remembers at most so many, and lets the oldest go. */
export function createRemembered(most: number): Remembered {
  const grants = new Map<string, { readonly grant: Grant; readonly until: number }>();
  // One for good: each new one would look for the oldest from the places of those that went before.
  const oldest = grants.keys();

  return {
    size: () => grants.size,

    get(key) {
      const kept = grants.get(key);
      return kept !== undefined && performance.now() < kept.until ? kept.grant : undefined;
    },

    keep(key, grant, until) {
      grants.delete(key);
      if (grants.size >= most) {
        const { value } = oldest.next();
        if (value !== undefined) grants.delete(value);
      }
      grants.set(key, { grant, until });
    },

    forget: (key) => void grants.delete(key),
    clear: () => grants.clear(),
  };
}
