import { randomBytes } from 'node:crypto';
import { expect, onTestFinished, test } from 'vitest';
import { waitForLines } from '../clients/site-log.ts';
import { startSite } from '../support/site.ts';
import { cases, openBrowser } from './browser.ts';
import { link, pageOf, pagesLocation } from './pages.ts';

const BYTES = randomBytes(5_000_000);

test.for(cases)('%s: a link on a page saves the file by %s', async ([name, mode], context) => {
  const browser = await openBrowser(name, context);
  const site = await startSite({
    mode,
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

  const saved = await browser.downloaded();
  // Browsers replace quotation marks in the names of files.
  expect(saved.name).toBe('Q3 _résumé_.pdf');
  expect(saved.content.equals(BYTES)).toBe(true);
  expect(await browser.downloads()).toEqual([]);
  const [line, ...more] = await waitForLines(site, id, ({ length }) => length > 0);
  expect(line).toMatchObject({ status: 200, completion: 'OK', code: 'allow' });
  expect(more).toEqual([]);
});
