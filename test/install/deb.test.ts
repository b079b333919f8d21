import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, expect, type TestContext, test } from 'vitest';
import { inOverlay, noOverlay } from '../../dev/debian/overlay.ts';
import { projectRoot, temporaryFolder } from '../../dev/paths.ts';
import { tryRun } from '../../dev/run.ts';
import { needTool, without } from '../support/need-tool.ts';

const KEY = 'a-key-of-24-characters-00';
const KEY_SHA256 = createHash('sha256').update(KEY).digest('hex');

let folder: string;
let deb: string;
beforeAll(async () => {
  folder = await temporaryFolder();
  const built = await tryRun(process.execPath, [join(projectRoot, 'dist/dev/deb.js'), folder]);
  expect(built.ok, built.output).toBe(true);
  deb = basename(built.output.trim());
}, 180_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

async function needOverlay(context: Pick<TestContext, 'skip'>) {
  if (!existsSync('/var/lib/dpkg/info/nodejs.list'))
    without('the package nodejs is not installed', context);
  const why = await noOverlay();
  if (why !== undefined) without(why, context);
}

test('deb: installs without a network, protects a file, and leaves nothing after a purge', async (context) => {
  await needOverlay(context);
  await needTool('nginx', context);
  await needTool('redis-server', context);
  const script = await readFile(join(projectRoot, 'test', 'install', 'deb.sh'), 'utf8');
  const { ok, output } = await inOverlay(script, {
    folder,
    packages: ['nginx', 'redis-server'],
    env: { DEB: `/mnt/${deb}`, KEY, KEY_SHA256 },
  });
  expect(ok, output).toBe(true);
  expect(output).toMatch(/== done\n$/);
  // The machine that runs the test is as it was.
  expect(existsSync('/usr/share/postern')).toBe(false);
  expect(await readFile('/etc/passwd', 'utf8')).not.toMatch(/^postern:/m);
});

test('deb: lintian finds neither an error nor a warning', async (context) => {
  await needOverlay(context);
  await needTool('lintian', context);
  const { ok, output } = await inOverlay(
    `lintian --fail-on error,warning --allow-root /mnt/${deb}`,
    {
      folder,
      packages: ['lintian'],
    },
  );
  expect(ok, output).toBe(true);
});
