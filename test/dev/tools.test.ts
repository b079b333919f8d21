import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { privateApt } from '../harness/debian/apt.ts';
import { canFetch } from '../harness/debian/packages.ts';
import { tryRun } from '../harness/run.ts';
import { ensureTools, findTool, howToInstall } from '../harness/tools.ts';
import { folderForTest } from '../support/for-test.ts';

test('findTool: PATH comes first', async () => {
  const folder = await folderForTest();
  onTestFinished(() => void vi.unstubAllEnvs());
  const nginx = join(folder, 'nginx');
  await writeFile(nginx, '#!/bin/sh\n');
  await chmod(nginx, 0o755);
  vi.stubEnv('PATH', `relative:${folder}:${process.env.PATH}`);
  expect(await findTool('nginx')).toEqual({ path: nginx, env: {} });
});

// Where packages can be fetched, or where both are installed.
test('findTool: finds programs that run, installed or unpacked', async () => {
  const tools = await ensureTools(['nginx', 'redis-server']);
  const nginx = await tryRun(tools.nginx.path, ['-v'], tools.nginx.env);
  const redis = tools['redis-server'];
  const version = await tryRun(redis.path, ['--version'], redis.env);
  expect(nginx).toEqual({ ok: true, output: expect.stringContaining('nginx version') });
  expect(version).toEqual({ ok: true, output: expect.stringContaining('Redis server v=') });
}, 120_000);

test('howToInstall: one line names the packages for each system', () => {
  const has = (wanted: string) => (path: string) => path === wanted;
  const both = ['nginx', 'redis-server'] as const;
  const hint = (platform: NodeJS.Platform, file: string) =>
    howToInstall([...both], platform, has(file));
  expect(hint('darwin', '')).toMatch(/: brew install nginx redis$/);
  expect(hint('linux', '/sbin/apk')).toMatch(/: apk add nginx redis$/);
  expect(hint('linux', '/usr/bin/dnf')).toMatch(/: dnf install nginx redis$/);
  expect(hint('linux', '')).toMatch(/: install nginx and redis-server with/);
  // One package has both.
  expect(howToInstall(['ffmpeg', 'ffprobe'], 'darwin')).toMatch(/: brew install ffmpeg$/);
  expect(howToInstall(['python3-jwt'], 'darwin')).toMatch(/: pip install "pyjwt\[crypto\]"$/);
  expect(howToInstall(['python3-django'], 'linux')).toMatch(/: pip install django gunicorn redis$/);
});

// A real apt-get, with a repository of two packages on disk: a module, and what it depends on.

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
async function build(folder: string, each: Package): Promise<string> {
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
  const folder = await folderForTest();
  const entries = [await build(folder, MODULE), await build(folder, NDK)];
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
  const archives = await (await privateApt(await folderForTest())).download(name);
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
