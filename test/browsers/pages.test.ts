import { expect, test } from 'vitest';
import { decisions, denial, withPages } from '../support/pages.ts';
import { modes, siteForTest } from '../support/site.ts';
import { browsers, openBrowser, violations } from './browser.ts';

Object.assign(denial, { file: 'a "long" name '.repeat(12), until: '2026-11-26T07:05:58Z' });

const PAGES: ReadonlyArray<readonly [query: string, shown: number]> = [
  ['401,confirmation_required', 401],
  ['401,pin_required', 401],
  ['401,pin_wrong', 401],
  ['401,missing_token', 401],
  ['401,invalid_token', 401],
  ['403,insufficient_scope', 403],
  ['403,path_is_folder', 403],
  ['204,', 404],
  ['503,unavailable', 503],
];

const PHONE = { width: 320, height: 640 };
const DESKTOP = { width: 1280, height: 800 };

test.for(browsers)('pages, %s: accessible and not wider than a phone', async (name, context) => {
  const browser = await openBrowser(name, context);
  const site = await siteForTest({
    mode: 'auth_request',
    gate: withPages(decisions),
    // As limit_conn refuses a download.
    locations:
      'location = /busy { error_page 429 @postern_failed; recursive_error_pages on; return 429; }',
  });
  const page = await browser.context.newPage();
  const urls = [
    ...PAGES.map(([query, shown]) => [`/download/a?${query}`, shown] as const),
    ['/busy', 429] as const,
  ];
  for (const [url, shown] of urls) {
    for (const language of ['en', 'de']) {
      await page.setExtraHTTPHeaders({ 'Accept-Language': language });
      const response = await page.goto(site.nginx.url(url));
      expect([url, response?.status()]).toEqual([url, shown]);
      expect(await page.evaluate('document.documentElement.lang')).toBe(language);
      for (const viewport of [PHONE, DESKTOP]) {
        await page.setViewport(viewport);
        const wide = await page.evaluate('document.documentElement.scrollWidth > innerWidth');
        expect([url, wide]).toEqual([url, false]);
        for (const button of await page.$$('button, input')) {
          expect((await button.boundingBox())?.height).toBeGreaterThanOrEqual(44);
        }
      }
      if (name === 'Chromium') {
        const value = language === 'de' ? 'dark' : 'light';
        await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value }]);
      }
      expect([url, ...(await violations(page))]).toEqual([url]);
    }
  }
});

// A browser saves a response with Content-Disposition instead of showing it.
test.for(browsers)('pages, %s: shown also if the token has a file name', async (name, context) => {
  const browser = await openBrowser(name, context);
  for (const mode of modes) {
    const site = await siteForTest({ mode });
    const page = await browser.context.newPage();
    const { url } = await site.issue({ path: '/download/none.pdf', filename: 'Report.pdf' });
    const response = await page.goto(site.nginx.url(url));
    expect([mode, response?.status(), await page.title()]).toEqual([
      mode,
      404,
      'The file is not here',
    ]);
  }
});
