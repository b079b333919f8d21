import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { findOnPath, isProgram, type Tool } from '../find-on-path.ts';
import { projectRoot } from '../paths.ts';
import { run } from '../run.ts';
import { type Apt, privateApt } from './apt.ts';
import { libraryPath } from './library-path.ts';
import { withLock } from './lock.ts';

// One folder for each package, with the dependencies that are not installed. These differ between
// releases, and a container may share the work tree, so the name contains the release.
const cache = join(projectRoot, '.cache', 'debian', release());

export function canFetch(): boolean {
  return Boolean(findOnPath('apt-get') && findOnPath('dpkg-deb'));
}

/** The folder of an unpacked package. It may not exist. */
export function unpackedAt(packageName: string): string {
  return join(cache, packageName);
}

export function findUnpacked(packageName: string, program: string): Tool | undefined {
  const root = unpackedAt(packageName);
  // A package's own folder goes first: Chromium's in usr/bin is a script that reads /etc.
  const path = [`usr/lib/${packageName}`, 'usr/sbin', 'usr/bin', 'sbin', 'bin']
    .map((folder) => join(root, folder, program))
    .find(isProgram);
  if (!path) return undefined;
  const libraries = libraryPath(root);
  return { path, env: libraries ? { LD_LIBRARY_PATH: libraries } : {} };
}

/**
 * Downloads packages and unpacks them without installing: no maintainer script runs, so no
 * service starts, nothing outside .cache/ changes, and an ordinary user may do it.
 */
export async function fetchPackages(packages: string[]): Promise<void> {
  await mkdir(cache, { recursive: true });
  await withLock(join(cache, 'lock'), async () => {
    // The previous holder of the lock may have downloaded the same packages.
    const missing = packages.filter((name) => !existsSync(join(cache, name)));
    if (missing.length === 0) return;
    const names = missing.join(' and ');
    process.stderr.write(`fetching ${names} with apt-get into .cache/ (once, not installed) …\n`);
    const work = await workFolder();
    try {
      const apt = await privateApt(work);
      for (const name of missing) await fetchOne(name, work, apt);
    } catch (error) {
      const hint = `or install it yourself: apt-get install ${missing.join(' ')}`;
      throw new Error(`could not fetch ${names}:\n${(error as Error).message}\n${hint}`);
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  });
}

/** Only the holder of the lock has one. Others were left behind by a killed process. */
async function workFolder(): Promise<string> {
  const left = (await readdir(cache)).filter((name) => name.startsWith('fetch-'));
  for (const name of left) await rm(join(cache, name), { recursive: true, force: true });
  return mkdtemp(join(cache, 'fetch-'));
}

async function fetchOne(name: string, work: string, apt: Apt): Promise<void> {
  const root = join(work, name);
  await mkdir(root);
  for (const archive of await apt.download(name)) await run('dpkg-deb', ['-x', archive, root]);
  // The folder gets its name when it is complete.
  await rename(root, join(cache, name));
}

/** Such as `debian-13-x64`, from os-release(5). */
function release(): string {
  const text = osRelease();
  const value = (key: string) => new RegExp(`^${key}="?([\\w.-]+)`, 'm').exec(text)?.[1] ?? 'none';
  return `${value('ID')}-${value('VERSION_ID')}-${process.arch}`;
}

function osRelease(): string {
  try {
    return readFileSync('/etc/os-release', 'utf8');
  } catch {
    return '';
  }
}
