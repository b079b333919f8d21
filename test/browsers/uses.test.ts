import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { downloader, hasAddresses, refused } from '../clients/download.ts';
import { testFolder } from '../clients/folder.ts';
import { stateOf, usedOnceFrom } from '../clients/state.ts';
import { startSite } from '../support/site.ts';
import { cases, openBrowser } from './browser.ts';
import { link, pageOf, pagesLocation } from './pages.ts';

const BYTES = randomBytes(1_000_000);

test.runIf(hasAddresses).for(cases)(
  '%s: saves a file with one use again, and another client gets 401 by %s',
  async ([name, mode], context) => {
    const browser = await openBrowser(name, context);
    const curl = await downloader('curl', context);
    const files = { 'any.bin': BYTES, 'cookie.bin': BYTES };
    const site = await startSite({ mode, files, locations: pagesLocation });
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
        const saved = await browser.downloaded();
        expect(saved.name).toBe(`${id}.bin`);
        expect(saved.content.equals(BYTES)).toBe(true);
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
