import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { startSite, ways } from '../support/site.ts';
import { startBrowser } from './browser.ts';
import { waitForLines } from './site-log.ts';

const BYTES = randomBytes(5_000_000);

test.for(ways)('Chromium saves what a link of a page leads to by %s', async (way, context) => {
  const browser = await startBrowser(context);
  const site = await startSite({
    way,
    files: { '4711.bin': BYTES },
    locations: 'location /pages/ { alias $files/../pages/; }',
  });
  onTestFinished(() => site.stop());
  // Text alone has no size to click on where the machine has no font.
  const style = 'display: block; height: 50px';
  const { id, url } = await site.issue({
    path: '/download/4711.bin',
    filename: 'Q3 "résumé".pdf',
  });
  const pages = join(site.files, '..', 'pages');
  await mkdir(pages);
  await writeFile(join(pages, 'index.html'), `<a href="${url}" style="${style}">The report</a>`);

  const page = await browser.open(site.nginx.url('/pages/'));
  await page.click('a');

  // Chromium has no quotation marks in the names of files.
  const name = 'Q3 _résumé_.pdf';
  expect(await browser.downloaded()).toBe(name);
  expect(await readdir(browser.downloads)).toEqual([name]);
  expect((await readFile(join(browser.downloads, name))).equals(BYTES)).toBe(true);
  const [line, ...more] = await waitForLines(site, id, ({ length }) => length > 0);
  expect(line).toMatchObject({ status: 200, completion: 'OK', code: 'allow' });
  expect(more).toEqual([]);
});
