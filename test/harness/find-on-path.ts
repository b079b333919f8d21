import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';

/** A program that was found. */
export interface Tool {
  path: string;
  /** Variables to add to its environment when you start it. */
  env: NodeJS.ProcessEnv;
}

// nginx is often in a folder that is not in the PATH of an ordinary user.
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
