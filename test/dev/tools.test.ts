import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { findTool } from '../harness/tools.ts';
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
