import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { privateApt } from '../harness/debian/apt.ts';
import { canFetch } from '../harness/debian/packages.ts';
import { temporaryFolder } from '../harness/paths.ts';

// A real apt-get, with a repository of two packages on disk: a module, and what it depends on.

let folder: string;

beforeAll(async () => {
  folder = await temporaryFolder();
  return () => rm(folder, { recursive: true });
});

interface Package {
  readonly name: string;
  readonly version: string;
  readonly depends?: string;
}

const control = ({ name, version, depends }: Package) =>
  [
    `Package: ${name}`,
    `Version: ${version}`,
    'Architecture: all',
    'Maintainer: Postern <postern@example>',
    'Description: a package of a test',
    ...(depends ? [`Depends: ${depends}`] : []),
  ].join('\n');

/** Its entry in the repository. */
async function build(each: Package): Promise<string> {
  const root = join(folder, each.name);
  await mkdir(join(root, 'DEBIAN'), { recursive: true });
  // dpkg-deb rejects a folder that only its owner may read, as with umask 077.
  await chmod(join(root, 'DEBIAN'), 0o755);
  await writeFile(join(root, 'DEBIAN', 'control'), `${control(each)}\n`);
  const archive = `${each.name}_${each.version}_all.deb`;
  execFileSync('dpkg-deb', ['--root-owner-group', '-b', root, join(folder, archive)]);
  const bytes = await readFile(join(folder, archive));
  const sum = createHash('sha256').update(bytes).digest('hex');
  return `${control(each)}\nFilename: ./${archive}\nSize: ${bytes.length}\nSHA256: ${sum}\n`;
}

const MODULE = { name: 'postern-module', version: '1', depends: 'postern-ndk' };
const NDK = { name: 'postern-ndk', version: '1' };

/** What is downloaded for a package on a machine that has `installed`. */
async function downloaded(name: string, installed: readonly Package[]): Promise<string[]> {
  const entries = [await build(MODULE), await build(NDK)];
  await writeFile(join(folder, 'Packages'), entries.join('\n'));
  const status = installed.map((each) => `${control(each)}\nStatus: install ok installed\n`);
  await writeFile(join(folder, 'status'), status.join('\n'));
  await writeFile(join(folder, 'sources.list'), `deb [trusted=yes] copy:${folder} ./\n`);
  const machine = [
    `Dir::State::status "${folder}/status";`,
    `Dir::Etc::sourcelist "${folder}/sources.list";`,
    `Dir::Etc::sourceparts "${folder}/none";`,
  ];
  await writeFile(join(folder, 'machine.conf'), machine.join('\n'));
  vi.stubEnv('APT_CONFIG', join(folder, 'machine.conf'));
  onTestFinished(() => void vi.unstubAllEnvs());
  const work = await mkdtemp(join(folder, 'work-'));
  const archives = await (await privateApt(work)).download(name);
  return archives.map((file) => basename(file)).sort();
}

test.runIf(canFetch())('a package is downloaded with what it depends on', async () => {
  const both = ['postern-module_1_all.deb', 'postern-ndk_1_all.deb'];
  expect(await downloaded(MODULE.name, [])).toEqual(both);
});

test.runIf(canFetch())('a package is downloaded even if the system has it', async () => {
  expect(await downloaded(NDK.name, [NDK])).toEqual(['postern-ndk_1_all.deb']);
  expect(await downloaded(MODULE.name, [NDK])).toEqual(['postern-module_1_all.deb']);
});

test.runIf(canFetch())('a package that cannot be downloaded is an error', async () => {
  // The system has a newer version than the repository.
  const newer = { ...NDK, version: '2' };
  await expect(downloaded(NDK.name, [newer])).rejects.toThrow(/postern-ndk/);
});
