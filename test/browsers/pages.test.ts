import { mkdir, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Page } from '../harness/puppeteer.ts';
import {
  browsers,
  cases,
  listingSite,
  names,
  openBrowser,
  violations,
} from '../support/browser.ts';
import { decisions, denial, withPages } from '../support/pages.ts';
import { siteForTest } from '../support/site.ts';

Object.assign(denial, {
  file: 'a "long" name '.repeat(12),
  until: '2026-11-26T07:05:58Z',
  more: 'size=1500000 sender=Ada%20Lovelace left=2',
});

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
    // limit_conn refuses a download like this.
    locations:
      'location = /busy { error_page 429 @postern_failed; recursive_error_pages on; return 429; }',
  });
  const page = await browser.context.newPage();
  const urls = [
    ...PAGES.map(([query, shown]) => [`/download/a?${query}`, shown] as const),
    ['/busy', 429] as const,
  ];
  for (const [url, shown] of urls) {
    for (const language of name === 'Chromium' ? ['en', 'de', 'es', 'fr'] : ['en', 'de']) {
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

const LONG = `${'Übersicht der Messungen '.repeat(4)}2026 "endgültig".pdf`;
const HOSTILE = ['<img src=x onerror=document.title=1>', '"><script src="evil.js">', '&amp;.txt'];
const files = {
  [`hls/${LONG}`]: 'x',
  'hls/b10.txt': Buffer.alloc(1_500_000),
  'hls/b9.txt': Buffer.alloc(300),
  'hls/photo.jpg': Buffer.alloc(20_000),
  'hls/Zoo/a.txt': 'in Zoo',
  'hls/alpha/a.txt': 'in alpha',
  'hls/evil.js': 'document.title = "ran"',
  ...Object.fromEntries(HOSTILE.map((name) => [`hostile/${name}`, name])),
};

/** The texts as shown. The size of a folder is empty. */
const SIZES = ['300 bytes', '1.5 MB', '22 bytes', '20 kB', '1 byte'];

const click = (page: Page, column: number) => page.click(`th:nth-child(${column}) button`);
const text = (page: Page, selector: string) =>
  page.$eval(selector, (element) => element.textContent);

test.for(cases)('listing, %s: names and sizes are sorted by %s', async ([name, mode], context) => {
  const browser = await openBrowser(name, context);
  const site = await listingSite({ mode, files });
  const { url } = await site.issue({ prefix: '/download/hls/', listing: true });
  const page = await browser.open(site.nginx.url(url));
  const folders = ['alpha', 'Zoo'];
  const sorted = ['b9.txt', 'b10.txt', 'evil.js', 'photo.jpg', LONG];
  expect(await names(page)).toEqual([...folders, ...sorted]);
  expect(await text(page, 'h1')).toBe('hls');
  expect(await page.$('pre')).toBeNull();
  expect(await page.$$('tbody svg path[d]')).toHaveLength(7);
  const sizes = await page.$$eval('td:nth-child(2)', (all) => all.map((one) => one.textContent));
  expect(sizes.slice(0, 7)).toEqual(['', '', ...SIZES]);
  expect(await text(page, 'tfoot')).toBe('Files: 51.5 MB');

  await click(page, 1);
  expect(await names(page)).toEqual([...folders.toReversed(), ...sorted.toReversed()]);
  expect(await page.$eval('th', (heading) => heading.ariaSort)).toBe('descending');
  await click(page, 2);
  const bySize = [LONG, 'evil.js', 'b9.txt', 'photo.jpg', 'b10.txt'];
  expect(await names(page)).toEqual([...folders, ...bySize]);
  await click(page, 2);
  expect(await names(page)).toEqual([...folders, ...bySize.toReversed()]);
  expect(await page.$$('th[aria-sort]')).toHaveLength(1);

  await Promise.all([page.waitForNavigation(), page.click('tbody a')]);
  expect(await names(page)).toEqual(['a.txt']);
  expect(await text(page, 'h1')).toBe('hls/alpha');
});

test.for(browsers)('listing, %s: times are those of the reader', async (name, context) => {
  const browser = await openBrowser(name, context);
  const site = await listingSite({ files: { 'hls/a.txt': 'x' } });
  await utimes(join(site.files, 'hls/a.txt'), 0, Date.UTC(2026, 0, 2, 20, 30) / 1000);
  const { url } = await site.issue({ prefix: '/download/hls/', listing: true });
  const page = await browser.context.newPage();
  if (name === 'Chromium') await page.emulateTimezone('Asia/Tokyo');
  await page.setExtraHTTPHeaders({ 'Accept-Language': 'de' });
  await page.goto(site.nginx.url(url));
  const [day, hour] = name === 'Chromium' ? ['03.01.2026', '05:30'] : ['02.01.2026', '20:30'];
  expect(await text(page, 'td time')).toBe(`${day} ${hour}`);
  expect(await page.$eval('td time', (time) => time.dateTime)).toBe('2026-01-02T20:30:00.000Z');
  await page.setViewport({ width: 390, height: 640 });
  expect(await page.evaluate('document.querySelector("td time").innerText')).toBe(day);
  const [iso, shown] = await page.$eval('p time', (time) => [time.dateTime, time.textContent]);
  const timeZone = name === 'Chromium' ? 'Asia/Tokyo' : 'UTC';
  const style = { dateStyle: 'long', timeStyle: 'short', timeZone } as const;
  expect(shown).toBe(new Date(iso ?? '').toLocaleString('de', style));
  expect(await text(page, 'th')).toBe('Name');
  expect(await text(page, '.zip button')).toBe('Alles als ZIP herunterladen');
});

test.for(browsers)('listing, %s: an uploaded name or script never runs', async (name, context) => {
  const browser = await openBrowser(name, context);
  const site = await listingSite({ files });
  const hostile = await site.issue({ prefix: '/download/hostile/', listing: true });
  const page = await browser.open(site.nginx.url(hostile.url));
  expect((await names(page)).sort()).toEqual([...HOSTILE].sort());
  expect(await page.$$('img, main script:not([nonce])')).toEqual([]);

  const { url } = await site.issue({ prefix: '/download/hls/', listing: true });
  await page.goto(site.nginx.url(url));
  const ran = page.evaluate(`new Promise((resolve) => {
    const script = document.createElement('script');
    script.onload = () => resolve('loaded');
    script.onerror = () => resolve('refused');
    script.src = 'evil.js';
    document.body.append(script);
  })`);
  expect(await ran).toBe('refused');
  expect(await page.title()).toBe('hls');
  const other = `http://other.test:${site.nginx.port}/`;
  const foreign = page.evaluate(
    `fetch('${other}', { mode: 'no-cors' }).then(() => 'sent', () => 'refused')`,
  );
  expect(await foreign).toBe('refused');
});

test.for(browsers)('listing, %s: an empty folder says so', async (name, context) => {
  const browser = await openBrowser(name, context);
  const site = await listingSite();
  await mkdir(join(site.files, 'empty'));
  const { url } = await site.issue({ prefix: '/download/empty/', listing: true });
  const page = await browser.open(site.nginx.url(url));
  const isShown = () => page.evaluate('getComputedStyle(document.querySelector(".empty")).display');
  expect(await isShown()).toBe('block');
  expect(await page.$('table, .zip')).toBeNull();
  const full = await listingSite({ files });
  const other = await full.issue({ prefix: '/download/hls/', listing: true });
  await page.goto(full.nginx.url(other.url));
  expect(await isShown()).toBe('none');
});

test.for(browsers)('listing, %s: a field filters 50 entries by name', async (name, context) => {
  const browser = await openBrowser(name, context);
  const many = Object.fromEntries(Array.from({ length: 47 }, (_, i) => [`hls/${i}.txt`, 'x']));
  const site = await listingSite({
    files: { ...many, 'hls/Übung.pdf': 'x', 'hls/b.pdf': 'x' },
  });
  const all = await site.issue({ prefix: '/download/hls/', listing: true });
  const page = await browser.open(site.nginx.url(all.url));
  expect(await page.$('input')).toBeNull();
  await mkdir(join(site.files, 'hls/UBUNTU'));
  await page.goto(site.nginx.url(all.url));
  const shown = async () => [
    await page.$$eval('tbody tr:not([hidden]) a', (links) => links.map((one) => one.textContent)),
    await text(page, 'label + [role=status]'),
  ];
  const type = async (keys: string) => {
    for (const key of keys) await page.keyboard.press(key === '<' ? 'Backspace' : key);
  };
  expect(await shown()).toEqual([expect.objectContaining({ length: 50 }), '']);
  // The button for the ZIP, then the field.
  for (const key of ['Tab', 'Tab']) await page.keyboard.press(key);
  await type('UbU');
  expect(await shown()).toEqual([['UBUNTU', 'Übung.pdf'], '2 of 50 shown']);
  await click(page, 1);
  expect(await shown()).toEqual([['UBUNTU', 'Übung.pdf'], '2 of 50 shown']);
  expect(await violations(page)).toEqual([]);
  await page.type('input', 'x');
  expect(await shown()).toEqual([[], '0 of 50 shown']);
  await type('<<<<');
  expect(await shown()).toEqual([expect.objectContaining({ length: 50 }), '']);
});

test('listing, Chromium: without JavaScript the list of nginx remains', async (context) => {
  const browser = await openBrowser('Chromium', context);
  const site = await listingSite({ files });
  const { url } = await site.issue({ prefix: '/download/hls/', listing: true });
  const page = await browser.context.newPage();
  await page.setJavaScriptEnabled(false);
  await page.setViewport(DESKTOP);
  await page.goto(site.nginx.url(url));
  const { list, shown } = (await page.evaluate(`({
    list: [...document.querySelectorAll('pre a')].map((link) => link.getAttribute('href')),
    shown: document.body.innerText,
  })`)) as { list: string[]; shown: string };
  expect(list).toHaveLength(8);
  expect(shown).toMatch(/b10\.txt +\d\d-[A-Z][a-z]{2}-\d{4} \d\d:\d\d +1500000/);
  expect(shown).not.toMatch(/empty|ZIP|wget/);
  expect(await page.$('input')).toBeNull();
  // On a phone, the date and the size are below the name.
  await page.setViewport(PHONE);
  const phone = (await page.evaluate('document.querySelector("pre").innerText')) as string;
  expect(phone).toMatch(/^b10\.txt\n+\d\d-[A-Z][a-z]{2}-\d{4} \d\d:\d\d 1500000$/m);
  expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(PHONE.width);
});

test.for(browsers)('listing, %s: ZIP and wget, by where the token is', async (name, context) => {
  const browser = await openBrowser(name, context);
  const site = await listingSite({ files });
  const grant = { prefix: '/download/hls/', listing: true, cookie: true };
  const { url, access_token: token } = await site.issue(grant);
  const page = await browser.open(site.nginx.url(url));
  expect(await text(page, 'code')).toMatch(/^wget -r .*--cut-dirs=2 /);
  expect(await text(page, 'code')).toContain(` '${site.nginx.url(url)}'`);
  expect(await page.$('.zip')).not.toBeNull();
  await page.goto(site.nginx.url(`/download/hls/?token=${token}`));
  expect(await names(page)).toHaveLength(7);
  expect(await page.$('.zip, code')).toBeNull();
  // The cookie of the first response.
  await page.goto(site.nginx.url('/download/hls/'));
  expect(await page.$('.zip')).not.toBeNull();
  expect(await page.$('code')).toBeNull();
});

test.for(browsers)('listing, %s: accessible and not wider than a phone', async (name, context) => {
  const browser = await openBrowser(name, context);
  const site = await listingSite({
    files: { ...files, [`hls/${'n'.repeat(200)}.txt`]: 'x' },
    pages: { links: [{ text: 'Imprint', url: '/imprint' }] },
  });
  const { url } = await site.issue({ prefix: '/download/hls/', listing: true });
  const page = await browser.context.newPage();
  for (const language of ['en', 'de']) {
    await page.setExtraHTTPHeaders({ 'Accept-Language': language });
    await page.goto(site.nginx.url(url));
    for (const width of [320, 360, 1280]) {
      await page.setViewport({ width, height: 640 });
      const wide = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
      expect([width, Number(wide) > 0]).toEqual([width, false]);
    }
    await page.click('summary');
    expect(await text(page, 'main > :last-child')).toBe('Imprint');
    if (name === 'Chromium') {
      const value = language === 'de' ? 'dark' : 'light';
      await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value }]);
    }
    expect(await violations(page)).toEqual([]);
  }
  expect(await site.log()).not.toContain('favicon');
});
