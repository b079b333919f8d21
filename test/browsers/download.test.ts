import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { downloader, hasAddresses, refused } from '../clients/programs.ts';
import { stateOf, usedOnceFrom, waitForLines } from '../clients/state.ts';
import type { BrowserName } from '../harness/browser.ts';
import { folderForTest } from '../support/for-test.ts';
import { siteForTest } from '../support/site.ts';
import { cases, link, openBrowser, pageOf, pagesLocation } from './browser.ts';

const BYTES = randomBytes(5_000_000);

test.for(cases)('%s: a link on a page saves the file by %s', async ([name, mode], context) => {
  const browser = await openBrowser(name, context);
  const site = await siteForTest({ mode, files: { '4711.bin': BYTES }, locations: pagesLocation });
  const { id, url } = await site.issue({ path: '/download/4711.bin', filename: 'Q3 "résumé".pdf' });

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

const hints: Readonly<Record<string, (url: string) => string>> = {
  link: (url) => `<link rel="prefetch" href="${url}">`,
  prefetch: (url) => rules({ prefetch: [{ urls: [url], eagerness: 'immediate' }] }),
  prerender: (url) => rules({ prerender: [{ urls: [url], eagerness: 'immediate' }] }),
};
const known: Readonly<Record<BrowserName, readonly string[]>> = {
  Chromium: Object.keys(hints),
  // Firefox has no speculation rules.
  Firefox: ['link'],
};

// https://developer.mozilla.org/en-US/docs/Web/API/Speculation_Rules_API
function rules(speculation: object): string {
  return `<script type="speculationrules">${JSON.stringify(speculation)}</script>`;
}

test.for(cases)('%s: a prefetch takes no use by %s', async ([name, mode], context) => {
  const browser = await openBrowser(name, context);
  const site = await siteForTest({ mode, files: { 'a.bin': 'hello' }, locations: pagesLocation });
  const issue = async (kind: string) => {
    const once = { path: '/download/a.bin', filename: `${kind}.bin`, max_uses: 1 };
    const { id, url } = await site.issue(once);
    return { id, kind, html: `${hints[kind]?.(url)}${link(kind, url)}` };
  };
  const issued = await Promise.all(known[name].map(issue));

  const page = await browser.open(await pageOf(site, issued.map(({ html }) => html).join('')));

  for (const { id } of issued) {
    const ahead = await waitForLines(site, id, ({ length }) => length > 0);
    expect(ahead).toMatchObject([{ status: 403, code: 'prefetch' }]);
    expect(await stateOf(site, id)).toMatchObject({ uses_left: 1, requesters: [] });
  }
  for (const { id, kind } of issued) {
    await page.click(`#${kind}`);
    expect(await browser.downloaded()).toMatchObject({ name: `${kind}.bin` });
    expect(await stateOf(site, id)).toMatchObject(usedOnceFrom('127.0.0.1'));
  }
});

test.runIf(hasAddresses).for(cases)(
  '%s: saves a file with one use again, and another client gets 401 by %s',
  async ([name, mode], context) => {
    const browser = await openBrowser(name, context);
    const curl = await downloader('curl', context);
    const files = { 'any.bin': BYTES, 'cookie.bin': BYTES };
    const site = await siteForTest({ mode, files, locations: pagesLocation });
    const any = await site.issue({ path: '/download/any.bin', max_uses: 1 });
    const cookie = await site.issue({ path: '/download/cookie.bin', max_uses: 1, bind: 'cookie' });
    const links = link('any', any.url) + link('cookie', cookie.url);
    const page = await browser.open(await pageOf(site, links));
    const file = join(await folderForTest(), 'none');
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
