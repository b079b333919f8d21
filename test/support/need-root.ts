import type { TestContext } from 'vitest';
import { noOverlay } from '../harness/debian/overlay.ts';
import { without } from './need-tool.ts';

export const isRoot = process.getuid?.() === 0;

/** Skips the test for an ordinary user. CI runs these tests as root: `.ci/run` finds them by this function. */
export function needRoot({ skip }: Pick<TestContext, 'skip'>): void {
  if (!isRoot) skip('only root can do this');
}

/** Skips the test where a copy of the root file system cannot be mounted. */
export async function needOverlay(context: Pick<TestContext, 'skip'>): Promise<void> {
  needRoot(context);
  const why = await noOverlay();
  if (why !== undefined) without(why, context);
}
