import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, type TestContext, test } from 'vitest';
import { findOnPath } from '../harness/find-on-path.ts';
import { projectRoot } from '../harness/paths.ts';
import { run, tryRun } from '../harness/run.ts';
import { folderForTest } from '../support/for-test.ts';
import { without } from '../support/need-tool.ts';

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
