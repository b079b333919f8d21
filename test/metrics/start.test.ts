import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { projectRoot } from '../../dev/paths.ts';

test('nothing is loaded of prom-client that is not used: the service would start later', async () => {
  const script = `
    await import('./dist/service/metrics.js');
    const { createRequire } = await import('node:module');
    console.log(Object.keys(createRequire(import.meta.url).cache).join('\\n'));`;
  const args = ['--input-type=module', '--eval', script];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: projectRoot });
  expect(stdout).toContain(join('prom-client', 'lib', 'registry.js'));
  expect(stdout).not.toContain('opentelemetry');
});
