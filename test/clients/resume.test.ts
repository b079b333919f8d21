import { randomBytes } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  downloader,
  downloaders,
  hasAddresses,
  type LogLine,
  refused,
  stateOf,
  usedOnceFrom,
  waitForLines,
} from '../support/clients/programs.ts';
import { folderForTest } from '../support/for-test.ts';
import { modes, useSite } from '../support/site.ts';

const LARGE = randomBytes(16_000_000);
const files = { 'large.bin': LARGE };
const path = '/download/large.bin';
const HOUR = 3_600_000;
const HOME = '127.0.0.5';
const AWAY = '127.0.0.6';

describe.runIf(hasAddresses).each(modes)('resume: an interrupted download by %s', (mode) => {
  const clock = { now: Date.now() };
  const site = useSite({ mode, files, now: () => clock.now });

  test.for(downloaders)('is resumed by %s within resume_for', async (name, context) => {
    const program = await downloader(name, context);
    const curl = await downloader('curl', context);
    const { id, url: own } = await site.issue({ path, max_uses: 1, expires_in: 120 });
    const url = site.nginx.url(own);
    const folder = await folderForTest();
    const download = { url, file: join(folder, 'a.bin'), from: HOME };
    const byStranger = () => curl.download({ url, file: join(folder, 'none'), from: AWAY });

    await program.cut(download, 100_000);
    const { size } = await stat(download.file);
    expect(size).toBeGreaterThanOrEqual(100_000);
    expect(size).toBeLessThan(LARGE.length);
    expect(await byStranger()).toMatchObject(refused);
    clock.now += 120_000;
    expect(await byStranger()).toMatchObject(refused);
    clock.now += HOUR - 121_000;
    expect(await byStranger()).toMatchObject(refused);
    expect(await program.resume(download)).toMatchObject({ code: 0 });

    // The file is complete. Only curl reports that as a failure.
    await program.resume(download);
    expect((await readFile(download.file)).equals(LARGE)).toBe(true);
    expect(await stateOf(site, id)).toMatchObject(usedOnceFrom(HOME));
    const isRest = ({ status, completion }: LogLine) => status === 206 && completion === 'OK';
    const lines = await waitForLines(site, id, (all) => all.some(isRest));
    expect(lines[0]).toMatchObject({ status: 200, completion: '' });
    // aria2 keeps less than it has saved.
    expect(lines.find(isRest)?.bytes).toBeLessThan(LARGE.length - 50_000);

    clock.now += 1000;
    const late = await program.download({ ...download, file: join(folder, 'late') });
    expect(late.code).not.toBe(0);
    const isLate = ({ address, status }: LogLine) => address === HOME && status === 401;
    await waitForLines(site, id, (all) => all.some(isLate));
  });
});
