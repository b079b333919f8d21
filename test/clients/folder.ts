import { rm } from 'node:fs/promises';
import { onTestFinished } from 'vitest';
import { temporaryFolder } from '../harness/paths.ts';

/** A folder for what the clients of this test save. */
export async function testFolder(): Promise<string> {
  const folder = await temporaryFolder();
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
