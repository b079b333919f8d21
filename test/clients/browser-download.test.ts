import { randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { startSite, ways } from '../support/site.ts';
import { startBrowser } from './browser.ts';
import { link, pageOf, pagesLocation } from './pages.ts';
import { waitForLines } from './site-log.ts';

const BYTES = randomBytes(5_000_000);

test.for(ways)('Chromium: a link on a page saves the file by %s', async (way, context) => {
  const browser = await startBrowser(context);
  const site = await startSite({
    way,
    files: { '4711.bin': BYTES },
    locations: pagesLocation,
  });
  onTestFinished(() => site.stop());
  const { id, url } = await site.issue({
    path: '/download/4711.bin',
    filename: 'Q3 "résumé".pdf',
  });

  const page = await browser.open(await pageOf(site, link('report', url)));
  await page.click('#report');

  // Chromium has no quotation marks in the names of files.
  const name = 'Q3 _résumé_.pdf';
  expect(await browser.downloaded()).toBe(name);
  expect(await readdir(browser.downloads)).toEqual([name]);
  expect((await readFile(join(browser.downloads, name))).equals(BYTES)).toBe(true);
  const [line, ...more] = await waitForLines(site, id, ({ length }) => length > 0);
  expect(line).toMatchObject({ status: 200, completion: 'OK', code: 'allow' });
  expect(more).toEqual([]);
});
