import { randomBytes } from 'node:crypto';
import { mkdir, readFile, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Failure } from '../failure.ts';

export interface Written {
  readonly written: readonly string[];
  readonly unchanged: readonly string[];
}

/**
 * Writes files below a folder. Each is replaced atomically, and none is replaced before all of them are
 * on the disk.
 *
 * @throws Failure, also if a file exists and differs, unless `force` is set
 */
export async function writeFiles(
  folder: string,
  files: ReadonlyMap<string, string>,
  force: boolean,
): Promise<Written> {
  const made: Array<{ readonly temporary: string; readonly path: string }> = [];
  try {
    const differ: string[] = [];
    const written: string[] = [];
    const unchanged: string[] = [];
    for (const [name, text] of files) {
      const path = join(folder, name);
      const there = await read(path);
      if (there === text) unchanged.push(path);
      else written.push(path);
      if (there !== undefined && there !== text) differ.push(path);
    }
    if (differ.length > 0 && !force) {
      const list = differ.map((path) => `\n  ${path}`).join('');
      throw new Failure(
        `no files were written: these exist and differ:${list}\nUse --force to overwrite them.`,
      );
    }
    for (const [name, text] of files) {
      const named = join(folder, name);
      if (unchanged.includes(named)) continue;
      await mkdir(dirname(named), { recursive: true });
      // Follow a symbolic link instead of replacing it.
      const path = await realpath(named).catch(() => named);
      const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}`);
      made.push({ temporary, path });
      await writeFile(temporary, text, { flag: 'wx', mode: 0o644 });
    }
    for (const { temporary, path } of made) await rename(temporary, path);
    return { written, unchanged };
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw new Failure(`${folder} cannot be written: ${(error as Error).message}`, { cause: error });
  } finally {
    for (const { temporary } of made) await rm(temporary, { force: true });
  }
}

async function read(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
