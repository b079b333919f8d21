import type { TestContext } from 'vitest';

export const isRoot = process.getuid?.() === 0;

/** Skips the test for an ordinary user. CI runs these tests as root: `.ci/run` finds them by this function. */
export function needRoot({ skip }: Pick<TestContext, 'skip'>): void {
  if (!isRoot) skip('only root can do this');
}
