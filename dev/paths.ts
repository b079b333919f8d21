import { existsSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of package.json, both from dev/*.ts (under Vitest) and from dist/dev/*.js. */
export const projectRoot = findRoot(dirname(fileURLToPath(import.meta.url)));

function findRoot(folder: string): string {
  if (existsSync(join(folder, 'package.json'))) return folder;
  const parent = dirname(folder);
  if (parent === folder) throw new Error('dev/ must lie inside the project');
  return findRoot(parent);
}

export function temporaryFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'postern-'));
}
