import { randomBytes } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { modes, type Site, startSite } from '../support/site.ts';
import { downloader, downloaders } from './download.ts';
import { testFolder } from './folder.ts';
import { type LogLine, waitForLines } from './site-log.ts';

const BYTES = randomBytes(16_000_000);

describe.each(modes)('resume: an interrupted download by %s', (mode) => {
  let site: Site;
  beforeAll(async () => {
    site = await startSite({ mode, files: { 'a.bin': BYTES } });
  });
  afterAll(() => site.stop());

  test.for(downloaders)('is resumed by %s', async (name, context) => {
    const program = await downloader(name, context);
    const { id, url } = await site.issue({ path: '/download/a.bin' });
    const download = { url: site.nginx.url(url), file: join(await testFolder(), 'a.bin') };

    await program.cut(download, 100_000);
    const { size } = await stat(download.file);
    expect(size).toBeGreaterThanOrEqual(100_000);
    expect(size).toBeLessThan(BYTES.length);
    expect(await program.resume(download)).toMatchObject({ code: 0 });

    expect((await readFile(download.file)).equals(BYTES)).toBe(true);
    const isRest = ({ status, completion }: LogLine) => status === 206 && completion === 'OK';
    const lines = await waitForLines(site, id, (all) => all.some(isRest));
    expect(lines[0]).toMatchObject({ status: 200, completion: '' });
    // aria2 keeps less than it has saved.
    expect(lines.find(isRest)?.bytes).toBeLessThan(BYTES.length - 50_000);
  });
});
