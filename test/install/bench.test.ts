import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { projectRoot } from '../harness/paths.ts';
import { run } from '../harness/run.ts';
import { folderForTest } from '../support/for-test.ts';

test('the benchmark measures Postern and a peer, and describes the machine', async () => {
  const file = join(await folderForTest(), 'out.json');
  const main = join(projectRoot, 'dist', 'bench', 'main.js');
  await run(process.execPath, [main, '--quick', '--only', 'issue,redis,express', '--json', file]);
  const { machine, results } = JSON.parse(await readFile(file, 'utf8'));
  expect(machine).toMatchObject({ nginx: expect.any(String), express: expect.any(String) });
  expect(results.issue).toMatchObject({ redis: expect.anything(), express: expect.anything() });
});
