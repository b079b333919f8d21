import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { canFetch } from '../harness/debian/packages.ts';
import { tryRun } from '../harness/run.ts';
import { ensureTools, findTool, howToInstall } from '../harness/tools.ts';
import { folderForTest } from '../support/for-test.ts';
import { needTool } from '../support/need-tool.ts';

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

test('findTool: a Python with PyJWT can sign', async (context) => {
  const { path, env } = await needTool('python3-jwt', context);
  const script =
    'import jwt; from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey; ' +
    'print(jwt.encode({}, Ed25519PrivateKey.generate(), algorithm="EdDSA"))';
  const ran = await tryRun(path, ['-c', script], env);
  expect(ran).toEqual({
    ok: true,
    output: expect.stringMatching(/^ey[\w-]+\.[\w-]+\.[\w-]{86}\n$/),
  });
});

test.runIf(canFetch())('findTool: a second call needs no download', async () => {
  await findTool('nginx');
  const write = vi.spyOn(process.stderr, 'write');
  onTestFinished(() => write.mockRestore());
  await findTool('nginx');
  expect(write).not.toHaveBeenCalled();
});
