import { cp, mkdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { projectRoot } from '../harness/paths.ts';

/** Writes files by their names below a folder, with the folders that they need. */
export async function writeFiles(
  folder: string,
  files: Readonly<Record<string, string | Buffer>> = {},
): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), content);
  }
}

/** A copy of this project without what it can build or download again. */
export async function copyProject(to: string): Promise<void> {
  const left = new Set(['node_modules', 'dist', '.cache', '.git', 'coverage']);
  await cp(projectRoot, to, {
    recursive: true,
    filter: (path) => dirname(path) !== projectRoot || !left.has(basename(path)),
  });
}
