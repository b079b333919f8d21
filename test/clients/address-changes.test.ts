import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { modes, type Site, startSite } from '../support/site.ts';
import { downloader, hasAddresses, refused } from './download.ts';
import { testFolder } from './folder.ts';
import { stateOf, usedOnceFrom } from './state.ts';

const BYTES = randomBytes(600_000);
const LARGE = randomBytes(16_000_000);
const HOME = '127.0.0.5';
const AWAY = '127.0.0.6';

describe.runIf(hasAddresses).each(modes)(
  'resume: a client whose address changes during a download by %s',
  (mode) => {
    let site: Site;
    beforeAll(async () => {
      site = await startSite({ mode, files: { 'a.bin': BYTES, 'large.bin': LARGE } });
    });
    afterAll(() => site.stop());

    /** A single-use link, with paths for its file and its cookies. */
    async function linkForOne(more = {}) {
      const { id, url } = await site.issue({ path: '/download/a.bin', max_uses: 1, ...more });
      const folder = await testFolder();
      const link = { url: site.nginx.url(url), file: join(folder, 'a.bin') };
      return { id, link, jar: join(folder, 'cookies') };
    }
    const half = ['--range', '0-299999'];

    test.for([
      ['its cookie, from another address', 'any', AWAY, true],
      ['its address, without the cookie', 'any', HOME, false],
      ['both', 'any', HOME, true],
      ['its cookie, with bind: cookie', 'cookie', AWAY, true],
      ['its cookie from its address, with bind: cookie', 'cookie', HOME, true],
    ] as const)('is known by %s', async ([, bind, from, hasJar], context) => {
      const curl = await downloader('curl', context);
      const { id, link, jar } = await linkForOne({ bind });

      const first = { ...link, from: HOME, more: [...half, '--cookie-jar', jar] };
      expect(await curl.download(first)).toMatchObject({ code: 0 });
      const rest = { ...link, from, more: hasJar ? ['--cookie', jar] : [] };
      expect(await curl.resume(rest)).toMatchObject({ code: 0 });

      expect((await readFile(link.file)).equals(BYTES)).toBe(true);
      expect(await stateOf(site, id)).toMatchObject(usedOnceFrom(HOME));
    });

    test.for([
      ['with neither cookie nor address', 'any', AWAY],
      ['by its address, with bind: cookie', 'cookie', HOME],
    ] as const)('is not known %s', async ([, bind, from], context) => {
      const curl = await downloader('curl', context);
      const { id, link, jar } = await linkForOne({ bind });

      const first = { ...link, from: HOME, more: [...half, '--cookie-jar', jar] };
      expect(await curl.download(first)).toMatchObject({ code: 0 });
      expect(await curl.resume({ ...link, from })).toMatchObject(refused);

      expect((await readFile(link.file)).equals(BYTES.subarray(0, 300_000))).toBe(true);
      expect(await stateOf(site, id)).toMatchObject(usedOnceFrom(HOME));
    });

    test('aria2 that is interrupted resumes from another address', async (context) => {
      const aria2c = await downloader('aria2c', context);
      const { id, link, jar } = await linkForOne({ path: '/download/large.bin' });

      await aria2c.cut({ ...link, from: HOME, more: [`--save-cookies=${jar}`] }, 100_000);
      const rest = { ...link, from: AWAY, more: [`--load-cookies=${jar}`] };
      expect(await aria2c.resume(rest)).toMatchObject({ code: 0 });

      expect((await readFile(link.file)).equals(LARGE)).toBe(true);
      expect(await stateOf(site, id)).toMatchObject(usedOnceFrom(HOME));
    });
  },
);
