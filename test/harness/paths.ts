import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export { root as projectRoot } from '../../common/package.ts';

export function temporaryFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'postern-'));
}
