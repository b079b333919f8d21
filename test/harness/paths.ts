import { readFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from '../../common/package.ts';

export { root as projectRoot } from '../../common/package.ts';

export function temporaryFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'postern-'));
}

/** The text of a file of this project. */
export function textOf(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}
