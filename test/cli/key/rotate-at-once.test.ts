import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { generateKey } from '../../../cli/key/command.ts';

test('key generate --rotate: no key is lost when several processes rotate at once', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'postern-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const out = join(folder, 'keys.json');
  await generateKey({ out });
  const rotations = [...Array(5)].map(() => generateKey({ out, rotate: true, json: true }));
  const done = (await Promise.allSettled(rotations)).flatMap((one) =>
    one.status === 'fulfilled' ? [JSON.parse(one.value).kid] : [],
  );
  const { keys } = JSON.parse(await readFile(out, 'utf8'));
  expect(keys.map(({ kid }: { kid: string }) => kid)).toEqual(expect.arrayContaining(done));
});
