import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { appendFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, type TestContext, test } from 'vitest';
import { inOverlay } from '../harness/debian/overlay.ts';
import { findOnPath } from '../harness/find-on-path.ts';
import { projectRoot, temporaryFolder, textOf } from '../harness/paths.ts';
import { run, tryRun } from '../harness/run.ts';
import { folderForTest } from '../support/for-test.ts';
import { needOverlay } from '../support/need-root.ts';
import { needTool, without } from '../support/need-tool.ts';

const KEY = 'a-key-of-24-characters-00';
const KEY_SHA256 = createHash('sha256').update(KEY).digest('hex');

let folder: string;
let assets: string;
let deb: string;
beforeAll(async () => {
  folder = await temporaryFolder();
  const made = await release(folder);
  expect(made.ok, made.output).toBe(true);
  assets = join(folder, 'assets');
  [deb = ''] = (await readdir(assets)).filter((name) => name.endsWith('.deb'));
}, 240_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

function release(...words: string[]) {
  return tryRun(process.execPath, [
    join(projectRoot, 'dist', 'dev', 'build', 'release.js'),
    ...words,
  ]);
}

test('release: has a package, a chart, two bills of materials, and their checksums', async () => {
  const { version } = JSON.parse(textOf('package.json'));
  expect((await readdir(assets)).sort()).toEqual([
    'SHA256SUMS',
    `postern-chart-${version}.tgz`,
    'postern.cyclonedx.json',
    'postern.spdx.json',
    `postern_${version}_all.deb`,
  ]);
  const check = `cd "${assets}" && sha256sum --check --strict SHA256SUMS`;
  expect((await tryRun('sh', ['-c', check])).output.match(/: OK$/gm)).toHaveLength(4);
  const chart = await tryRun('tar', ['-tzf', join(assets, `postern-chart-${version}.tgz`)]);
  expect(chart.output).toContain('postern/snippets/protect.conf\n');
});

test('release: the bills of materials have what Postern ships, and no development tool', async () => {
  const read = async (name: string) => JSON.parse(await readFile(join(assets, name), 'utf8'));
  const spdx = await read('postern.spdx.json');
  const cyclonedx = await read('postern.cyclonedx.json');
  const names = (list: Array<{ name: string }>) => list.map(({ name }) => name);
  expect(spdx.spdxVersion).toMatch(/^SPDX-2/);
  expect(cyclonedx.bomFormat).toBe('CycloneDX');
  expect(names(cyclonedx.components).sort()).toEqual(names(spdx.packages.slice(1)).sort());
  for (const name of ['hono', 'ioredis', 'zod', 'redis-errors']) {
    expect(names(cyclonedx.components)).toContain(name);
  }
  for (const name of ['vitest', 'typescript', 'fast-check']) {
    expect(names(spdx.packages)).not.toContain(name);
  }
});

test('release: a tag that is not the version makes nothing', async () => {
  const { ok, output } = await release(join(folder, 'none'), 'v9.9.9');
  expect(ok).toBe(false);
  expect(output).toMatch(/^release: the tag is v9\.9\.9, and package\.json has /);
  expect(existsSync(join(folder, 'none'))).toBe(false);
});

async function needDebian(context: Pick<TestContext, 'skip'>) {
  if (!existsSync('/var/lib/dpkg/info/nodejs.list'))
    without('the package nodejs is not installed', context);
  await needOverlay(context);
}

test('deb: installs without a network, protects a file, and leaves nothing after a purge', async (context) => {
  await needDebian(context);
  await needTool('nginx', context);
  await needTool('redis-server', context);
  const script = textOf('test/install/deb.sh');
  const { ok, output } = await inOverlay(script, {
    folder: assets,
    packages: ['nginx', 'redis-server'],
    env: { DEB: `/mnt/${deb}`, KEY, KEY_SHA256 },
  });
  expect(ok, output).toBe(true);
  expect(output).toMatch(/^== done$/m);
  // The machine that runs the test is as it was.
  expect(existsSync('/usr/share/postern')).toBe(false);
  expect(await readFile('/etc/passwd', 'utf8')).not.toMatch(/^postern:/m);
}, 240_000);

test('deb: lintian finds neither an error nor a warning', async (context) => {
  await needDebian(context);
  await needTool('lintian', context);
  const { ok, output } = await inOverlay(
    `lintian --fail-on error,warning --allow-root /mnt/${deb}`,
    { folder: assets, packages: ['lintian'] },
  );
  expect(ok, output).toBe(true);
}, 240_000);

/** A repository with two versions of a small package, and `apt-get` that knows no other one. */
async function repository(context: TestContext) {
  const gpg = findOnPath('gpg') ?? without('gpg is not on PATH', context);
  const folder = await folderForTest();
  const packages = join(folder, 'packages');
  await mkdir(packages);
  for (const version of ['0.1.0', '0.2.0']) {
    const root = join(folder, version);
    await mkdir(join(root, 'DEBIAN'), { recursive: true });
    const control = `Package: postern\nVersion: ${version}\nArchitecture: all\nMaintainer: a <a@a.example>\nDescription: a\n`;
    await writeFile(join(root, 'DEBIAN', 'control'), control);
    await run('dpkg-deb', [
      ...['--root-owner-group', '--build', root],
      join(packages, `postern_${version}_all.deb`),
    ]);
  }
  const home = join(folder, 'gpg');
  await mkdir(home, { mode: 0o700 });
  const keys = (...args: string[]) => tryRun(gpg, ['--homedir', home, '--batch', ...args]);
  await keys('--passphrase', '', '--quick-generate-key', 'a@a.example', 'ed25519', 'sign');
  const { output: key } = await keys('--armor', '--export-secret-keys');
  const script = join(projectRoot, 'dev', 'build', 'apt.sh');
  const made = await tryRun(script, [packages], { APT_SIGNING_KEY: key });
  expect(made.ok, made.output).toBe(true);

  const state = join(folder, 'apt');
  for (const name of ['lists/partial', 'cache/archives/partial', 'etc'])
    await mkdir(join(state, name), { recursive: true });
  const source = `deb [signed-by=${packages}/postern.gpg] file:${packages} /\n`;
  await writeFile(join(state, 'etc', 'sources.list'), source);
  await writeFile(join(state, 'status'), '');
  const options = [
    `Dir::Etc=${state}/etc`,
    `Dir::State=${state}`,
    `Dir::State::status=${state}/status`,
    `Dir::Cache=${state}/cache`,
    'APT::Sandbox::User=root',
  ].flatMap((option) => ['-o', option]);
  const apt = (...args: string[]) => tryRun('apt-get', [...options, ...args]);
  return { packages, apt };
}

test('apt: the repository of a release offers its newest package', async (context) => {
  const { apt } = await repository(context);
  const updated = await apt('update', '--error-on=any');
  expect(updated.ok, updated.output).toBe(true);
  const { output } = await apt('install', '--simulate', 'postern');
  expect(output).toContain('Inst postern (0.2.0 ');
});

test('apt: a changed list of packages is refused', async (context) => {
  const { packages, apt } = await repository(context);
  await appendFile(join(packages, 'Packages'), '\n');
  const { ok, output } = await apt('update', '--error-on=any');
  expect(ok).toBe(false);
  expect(output).toMatch(/hash sum mismatch|unexpected size/i);
});
