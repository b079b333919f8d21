import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';

// nginx lies where an ordinary user's PATH does not look.
const alsoIn = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

/** The program's full path, as a shell would find it. */
export function findOnPath(name: string, path = process.env.PATH ?? ''): string | undefined {
  const folders = path.split(delimiter).filter(isAbsolute);
  return [...folders, ...alsoIn].map((folder) => join(folder, name)).find(isProgram);
}

export function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
