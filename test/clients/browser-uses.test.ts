import { randomBytes } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { startSite, ways } from '../support/site.ts';
import { startBrowser } from './browser.ts';
import { downloader, hasAddresses, refused } from './download.ts';
import { testFolder } from './folder.ts';
import { link, pageOf, pagesLocation } from './pages.ts';
import { stateOf, usedOnceFrom } from './state.ts';

const BYTES = randomBytes(1_000_000);

test.runIf(hasAddresses).for(ways)(
  'Chromium: saves a file with one use again, and another client gets 401 by %s',
  async (way, context) => {
    const browser = await startBrowser(context);
    const curl = await downloader('curl', context);
    const files = { 'any.bin': BYTES, 'cookie.bin': BYTES };
    const site = await startSite({ way, files, locations: pagesLocation });
    onTestFinished(() => site.stop());
    const any = await site.issue({ path: '/download/any.bin', max_uses: 1 });
    const cookie = await site.issue({ path: '/download/cookie.bin', max_uses: 1, bind: 'cookie' });
    const links = link('any', any.url) + link('cookie', cookie.url);
    const page = await browser.open(await pageOf(site, links));
    const file = join(await testFolder(), 'none');
    const byCurl = ({ url }: { url: string }, from: string) =>
      curl.download({ url: site.nginx.url(url), file, from });

    for (let i = 0; i < 2; i += 1) {
      for (const id of ['any', 'cookie']) {
        await page.click(`#${id}`);
        expect(await browser.downloaded()).toBe(`${id}.bin`);
        const saved = join(browser.downloads, `${id}.bin`);
        expect((await readFile(saved)).equals(BYTES)).toBe(true);
        await rm(saved);
      }
      expect(await byCurl(any, '127.0.0.5')).toMatchObject(refused);
      // The browser's own address, but not its cookie.
      expect(await byCurl(cookie, '127.0.0.1')).toMatchObject(refused);
    }

    for (const { id } of [any, cookie]) {
      expect(await stateOf(site, id)).toMatchObject(usedOnceFrom('127.0.0.1'));
    }
  },
);
