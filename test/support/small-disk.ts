import { spawnSync } from 'node:child_process';
import { onTestFinished, type TestContext } from 'vitest';
import { folderForTest } from './for-test.ts';
import { needRoot } from './need-root.ts';

/** A file system of 64 KiB. */
export async function smallDisk(context: TestContext): Promise<string> {
  needRoot(context);
  const folder = await folderForTest();
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder]);
  if (status !== 0) context.skip('this container may not mount a file system');
  onTestFinished(() => void spawnSync('umount', ['-l', folder]));
  return folder;
}
