import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { withLock } from './debian/lock.ts';

/** Makes a folder unless it exists. Other processes wait, and find it complete. */
export async function makeOnce(folder: string, make: (work: string) => Promise<void>) {
  if (existsSync(folder)) return;
  await mkdir(dirname(folder), { recursive: true });
  await withLock(`${folder}.lock`, async () => {
    // The previous holder of the lock may have made it.
    if (existsSync(folder)) return;
    // A killed process may have left a part.
    const work = `${folder}.part`;
    await rm(work, { recursive: true, force: true });
    await mkdir(work);
    await make(work);
    // The folder gets its name when it is complete.
    await rename(work, folder);
  });
}
