import { readdir } from 'node:fs/promises';
import { expect, onTestFinished, test } from 'vitest';
import { png } from '../../dev/demo/png.ts';
import { startSite, ways } from '../support/site.ts';
import { startBrowser } from './browser.ts';

test.for(ways)('Chromium shows a picture that is to be shown by %s', async (way, context) => {
  const browser = await startBrowser(context);
  const site = await startSite({ way, files: { 'picture.png': png(64, 40) } });
  onTestFinished(() => site.stop());
  const { url } = await site.issue({
    path: '/download/picture.png',
    filename: 'Café.png',
    disposition: 'inline',
  });

  const page = await browser.open(site.nginx.url(url));

  expect(await page.evaluate('document.images[0]?.naturalWidth')).toBe(64);
  expect(await readdir(browser.downloads)).toEqual([]);
});
