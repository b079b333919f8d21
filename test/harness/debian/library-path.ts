import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/**
 * LD_LIBRARY_PATH for programs unpacked under a root: /usr/lib/<triplet> and the folders in it. Some
 * libraries (BLAS, PulseAudio) are in such a folder, and an installation would create links to them.
 * Undefined if there are none.
 */
export function libraryPath(root: string, inherited = process.env.LD_LIBRARY_PATH) {
  const folders = ['usr/lib', 'lib']
    .map((folder) => join(root, folder))
    .flatMap((folder) => [folder, ...subfolders(folder).filter(isTriplet)])
    .flatMap((folder) => (isTriplet(folder) ? [folder, ...subfolders(folder)] : [folder]))
    .filter(hasLibraries);
  if (folders.length === 0) return undefined;
  return [...folders, ...(inherited ? [inherited] : [])].join(':');
}

function isTriplet(folder: string): boolean {
  return /-linux-gnu\w*$/.test(folder);
}

function subfolders(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(folder, entry.name));
}

function hasLibraries(folder: string): boolean {
  return existsSync(folder) && readdirSync(folder).some((file) => /\.so(\.|$)/.test(file));
}
