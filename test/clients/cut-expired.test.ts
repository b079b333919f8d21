import { randomBytes } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { startRedis } from '../harness/redis.ts';
import { waitFor } from '../harness/wait.ts';
import { openRedis } from '../store/open-redis.ts';
import { modes, type Site, startSite } from '../support/site.ts';
import { downloader, downloaders, hasAddresses, refused } from './download.ts';
import { testFolder } from './folder.ts';
import { waitForLines } from './site-log.ts';
import { endIn, stateOf, usedOnceFrom } from './state.ts';

const BYTES = randomBytes(16_000_000);
const files = { 'a.bin': BYTES };
const path = '/download/a.bin';
const HOUR = 3_600_000;
const OWN = '127.0.0.5';
const STRANGER = '127.0.0.6';

describe.runIf(hasAddresses).each(modes)(
  'resume: an interrupted download whose token has expired by %s',
  (mode) => {
    const clock = { now: Date.now() };
    let site: Site;
    beforeAll(async () => {
      site = await startSite({ mode, files, now: () => clock.now });
    });
    afterAll(() => site.stop());

    test.for(downloaders)('is resumed by %s within resume_for', async (name, context) => {
      const program = await downloader(name, context);
      const curl = await downloader('curl', context);
      const { id, url: own } = await site.issue({ path, max_uses: 1, expires_in: 120 });
      const url = site.nginx.url(own);
      const folder = await testFolder();
      const download = { url, file: join(folder, 'a.bin'), from: OWN };
      const byStranger = () => curl.download({ url, file: join(folder, 'none'), from: STRANGER });

      await program.cut(download, 100_000);
      expect((await stat(download.file)).size).toBeLessThan(BYTES.length);
      expect(await byStranger()).toMatchObject(refused);
      clock.now += 120_000;
      expect(await byStranger()).toMatchObject(refused);
      clock.now += HOUR - 121_000;
      expect(await byStranger()).toMatchObject(refused);
      expect(await program.resume(download)).toMatchObject({ code: 0 });

      expect((await readFile(download.file)).equals(BYTES)).toBe(true);
      expect(await stateOf(site, id)).toMatchObject(usedOnceFrom(OWN));

      clock.now += 1000;
      const late = await program.download({ ...download, file: join(folder, 'late') });
      expect(late.code).not.toBe(0);
      const isLate = ({ address, status }: { address: string; status: number }) =>
        address === OWN && status === 401;
      await waitForLines(site, id, (lines) => lines.some(isLate));
    });
  },
);

test.runIf(hasAddresses)(
  'resume: an interrupted download is resumed after the token expires in Redis',
  async (context) => {
    const curl = await downloader('curl', context);
    const redis = await startRedis();
    onTestFinished(() => redis.stop());
    const store = await openRedis(redis);
    const site = await startSite({ mode: 'auth_request', files, store });
    onTestFinished(() => site.stop());
    const folder = await testFolder();
    // Two uses: with one, a stranger would be denied even before the token expires.
    const issued = await site.issue({ path, max_uses: 2, resume_for: 60 });
    const url = site.nginx.url(issued.url);
    const download = { url, file: join(folder, 'a.bin'), from: OWN };

    await curl.cut(download, 100_000);
    const isOver = async () => {
      const { status } = await site.fetch(issued.url, { method: 'HEAD' });
      return status === 401;
    };
    expect(await isOver()).toBe(false);
    await endIn(site, issued.id, 1);
    await waitFor(isOver, { what: 'the token to expire' });
    const byStranger = { url, file: join(folder, 'none'), from: STRANGER };
    expect(await curl.download(byStranger)).toMatchObject(refused);
    expect(await curl.resume(download)).toMatchObject({ code: 0 });

    expect((await readFile(download.file)).equals(BYTES)).toBe(true);
    const state = { uses_left: 1, requesters: [{ address: OWN }] };
    expect(await stateOf(site, issued.id)).toMatchObject(state);
  },
);
