import { randomBytes } from 'node:crypto';
import { mkdir, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { NAME } from './backend.ts';

const SMALL_BYTES = 1024;

/** A folder with the small file. */
export async function smallFile(folder: string): Promise<string> {
  const files = join(folder, 'small');
  await mkdir(files);
  await writeFile(join(files, NAME), randomBytes(SMALL_BYTES));
  return files;
}

/** A folder with a sparse file: it has a size, but no blocks on the disk. */
export async function sparseFile(folder: string, bytes: number): Promise<string> {
  const files = join(folder, `sparse-${bytes}`);
  await mkdir(files, { recursive: true });
  await writeFile(join(files, NAME), '');
  await truncate(join(files, NAME), bytes);
  return files;
}
