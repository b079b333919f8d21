import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The folder of package.json, also for the built program in dist/. */
export const root = rootOf(import.meta.dirname);

export const snippetsFolder = join(root, 'nginx', 'snippets');

export function readSnippet(name: string): string {
  return readFileSync(join(snippetsFolder, name), 'utf8');
}

export function localTemplate(): string {
  return readFileSync(join(root, 'nginx', 'local.conf'), 'utf8');
}

export function version(): string {
  return JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version;
}

function rootOf(folder: string): string {
  return existsSync(join(folder, 'package.json')) ? folder : rootOf(dirname(folder));
}
