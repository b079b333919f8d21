import { randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { modes, startSite } from '../support/site.ts';
import { client } from './client.ts';
import { downloader } from './download.ts';
import { testFolder } from './folder.ts';

const BYTES = randomBytes(300_000);

test.for(modes)('wget: saves the file under its name by %s', async (mode, context) => {
  const wget = await downloader('wget', context);
  const naming = await client('wget', context);
  const site = await startSite({ mode, files: { 'a.bin': BYTES } });
  onTestFinished(() => site.stop());
  const issued = await site.issue({ path: '/download/a.bin', filename: 'named.bin' });
  const url = site.nginx.url(issued.url);
  const folder = await testFolder();

  const file = join(folder, 'own.bin');
  expect(await wget.download({ url, file })).toMatchObject({ code: 0 });
  expect((await readFile(file)).equals(BYTES)).toBe(true);

  const args = ['--no-config', '--no-hsts', '--content-disposition', '-P', folder, url];
  expect(await naming.run(args)).toMatchObject({ code: 0 });
  expect((await readdir(folder)).sort()).toEqual(['named.bin', 'own.bin']);
  expect((await readFile(join(folder, 'named.bin'))).equals(BYTES)).toBe(true);
});
