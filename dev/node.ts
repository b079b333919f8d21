import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { projectRoot } from './paths.ts';
import { run } from './run.ts';

/** The releases of Node.js that the tests run on, from the npm packages `node-<platform>-<architecture>`. */
export const NODES: Readonly<Record<string, string>> = {
  20: '20.20.2',
  22: '22.23.3',
  24: '24.21.0',
  26: '26.10.0',
};

/** The folder of `node` of a major version: that of this process, or one that is downloaded into .cache/ once. */
export async function findNode(major: string): Promise<string> {
  if (process.versions.node.split('.')[0] === major) return join(process.execPath, '..');
  const version = NODES[major];
  if (version === undefined) throw new Error(`no Node.js ${major}: ${Object.keys(NODES).join()}`);
  const name = `node-${process.platform}-${process.arch}`;
  const cache = join(projectRoot, '.cache', 'node');
  const folder = join(cache, `${name}-${version}`);
  const bin = join(folder, 'node_modules', name, 'bin');
  if (existsSync(bin)) return bin;
  await mkdir(cache, { recursive: true });
  const work = await mkdtemp(join(cache, 'fetch-'));
  try {
    const quiet = ['--no-save', '--no-audit', '--no-fund', '--ignore-scripts'];
    await run('npm', ['install', ...quiet, '--prefix', work, `${name}@${version}`]);
    // Only a complete folder gets the name. Another process may have been faster.
    await rename(work, folder).catch(() => {});
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return bin;
}
