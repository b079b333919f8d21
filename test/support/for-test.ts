import { rm } from 'node:fs/promises';
import { onTestFinished } from 'vitest';
import { temporaryFolder } from '../harness/paths.ts';

/** Waits for a server to start, and stops it when the test ends. */
export async function forTest<T extends { stop(): unknown }>(starting: Promise<T>): Promise<T> {
  const started = await starting;
  onTestFinished(async () => void (await started.stop()));
  return started;
}

/** A folder that is removed when the test ends. */
export async function folderForTest(): Promise<string> {
  const folder = await temporaryFolder();
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
