import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { tryRun } from '../harness/run.ts';
import { ensureTools, findTool } from '../harness/tools.ts';
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
