import { createHash } from 'node:crypto';
import { copyFile, mkdir, readFile, realpath } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { makeOnce } from './make-once.ts';
import { projectRoot } from './paths.ts';
import { run } from './run.ts';

/** Large packages that only some commands need, so `npm ci` does not install them: the folders of their package.json. */
const FOLDERS = {
  bench: 'bench',
  dev: 'dev',
  browsers: 'dev/packages/browsers',
  checks: 'dev/packages/checks',
  frameworks: 'dev/packages/frameworks',
  mcp: 'dev/packages/mcp',
  openapi: 'dev/packages/openapi',
} as const;

export type PackageSet = keyof typeof FOLDERS;

const LOCK = 'package-lock.json';

/** Installs the packages of a set into .cache/, once for each version of the lock file. Returns the folder. */
export async function installPackages(set: PackageSet): Promise<string> {
  const source = join(projectRoot, FOLDERS[set]);
  const hash = createHash('sha256').update(await readFile(join(source, LOCK)));
  const cache = join(projectRoot, '.cache', 'packages');
  await mkdir(cache, { recursive: true });
  // npm and VitePress need a path without a symbolic link.
  const folder = join(await realpath(cache), `${set}-${hash.digest('hex').slice(0, 12)}`);
  await makeOnce(folder, async (work) => {
    process.stderr.write(`installing the packages of ${FOLDERS[set]}/ into .cache/ (once) …\n`);
    for (const name of ['package.json', LOCK]) await copyFile(join(source, name), join(work, name));
    await run('npm', ['ci', '--prefix', work, '--ignore-scripts', '--no-audit', '--no-fund']);
  });
  return folder;
}

/** The path of a file in a package of a set, such as `axe-core/axe.min.js`. */
export async function packageFile(set: PackageSet, name: string): Promise<string> {
  const folder = await installPackages(set);
  return createRequire(join(folder, 'package.json')).resolve(name);
}

/** Loads a package of a set, as CommonJS. */
export async function loadPackage<T>(set: PackageSet, name: string): Promise<T> {
  const folder = await installPackages(set);
  return createRequire(join(folder, 'package.json'))(name);
}
