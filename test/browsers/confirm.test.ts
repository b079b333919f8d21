import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import type { Page } from '../harness/puppeteer.ts';
import { waitFor } from '../harness/wait.ts';
import {
  browsers,
  cases,
  link,
  listingSite,
  openBrowser,
  type Profile,
  pageOf,
  pagesLocation,
  startCutter,
} from '../support/browser.ts';
import { stateOf, usedOnceFrom, waitForLines } from '../support/clients/programs.ts';
import { type Site, type SiteMode, siteForTest } from '../support/site.ts';

const BYTES = randomBytes(4_000_000);
const path = '/download/film.bin';
const single = { path, filename: 'film.bin', max_uses: 1, confirm: true };

async function startFiles(mode: SiteMode = 'auth_request'): Promise<Site> {
  const site = await siteForTest({ mode, files: { 'film.bin': BYTES }, locations: pagesLocation });
  return site;
}

async function expectSaved(browser: Profile): Promise<void> {
  const { name, content } = await browser.downloaded();
  expect([name, content.equals(BYTES)]).toEqual(['film.bin', true]);
}

const heading = (page: Page) =>
  page.evaluate('document.querySelector("h1")?.textContent') as Promise<string | undefined>;
const CONFIRM = 'Download this file?';
const PIN = 'Enter the PIN';

/** The methods and statuses of the requests with a token, in order. */
const asked = async (site: Site, id: string, count: number) => {
  const lines = await waitForLines(site, id, ({ length }) => length >= count);
  return lines.map(({ request, status }) => `${request.split(' ')[0]} ${status}`);
};

test.for(cases)('confirm, %s: a click downloads the file by %s', async ([name, mode], context) => {
  const browser = await openBrowser(name, context);
  const site = await startFiles(mode);
  const { id, url } = await site.issue(single);
  const page = await browser.open(site.nginx.url(url));
  expect(await heading(page)).toBe(CONFIRM);
  expect(await stateOf(site, id)).toMatchObject({ uses_left: 1, requesters: [] });
  const said = () => page.$eval('[role=status]', ({ textContent }) => textContent);
  expect(await said()).toBe('');
  await page.click('button');
  await expectSaved(browser);
  await expect.poll(said).toBe('Your download has started.');
  expect(await stateOf(site, id)).toMatchObject(usedOnceFrom('127.0.0.1'));
  expect(await asked(site, id, 3)).toEqual(['GET 401', 'POST 303', 'GET 200']);
});

test.for(cases)('confirm, %s: a page names a lost cookie by %s', async ([name, mode], context) => {
  const browser = await openBrowser(name, context);
  const cookies = { sameSite: 'Lax', secure: true, partitioned: false } as const;
  const site = await siteForTest({ mode, cookies, files: { 'film.bin': BYTES } });
  const { url } = await site.issue({ path, confirm: true, pin: '4711' });
  // Chromium accepts the cookie from 127.0.0.1.
  const page = await browser.open(`http://site.test:${site.nginx.port}${url}`);
  const errors = () => page.$$eval('.error', (all) => all.map((one) => one.textContent));
  expect(await errors()).toEqual([]);
  for (let i = 0; i < 2; i += 1) {
    await page.type('input', '4711');
    await Promise.all([page.waitForNavigation(), page.click('button')]);
    expect(await heading(page)).toBe(PIN);
    expect(await errors()).toEqual([expect.stringContaining('did not keep a cookie')]);
  }
  expect(page.url().split('postern_confirmed=1')).toHaveLength(2);
  expect(await browser.downloads()).toEqual([]);
});

test.for(browsers)('confirm, %s: a folder and a shown file open', async (name, context) => {
  const browser = await openBrowser(name, context);
  const site = await listingSite({ files: { 'hls/a.txt': 'the text' } });
  const folder = await site.issue({ prefix: '/download/hls/', listing: true, confirm: true });
  const page = await browser.context.newPage();
  if (name === 'Chromium') await page.emulateTimezone('Asia/Tokyo');
  await page.goto(site.nginx.url(folder.url));
  expect(await heading(page)).toBe('Open this folder?');
  const [iso, shown] = await page.$eval('time', (time) => [time.dateTime, time.textContent]);
  const style = { dateStyle: 'long', timeStyle: 'short' } as const;
  const timeZone = name === 'Chromium' ? 'Asia/Tokyo' : 'UTC';
  expect(shown).toBe(new Date(iso ?? '').toLocaleString('en-US', { ...style, timeZone }));
  await Promise.all([page.waitForNavigation(), page.click('button')]);
  expect(await heading(page)).toBe('hls');

  const inline = { path: '/download/hls/a.txt', disposition: 'inline', confirm: true };
  await page.goto(site.nginx.url((await site.issue(inline)).url));
  expect(await heading(page)).toBe('Open this file?');
  expect(await page.$eval('button', ({ textContent }) => textContent)).toBe('Open');
  await Promise.all([page.waitForNavigation(), page.click('button')]);
  expect(await page.evaluate('document.body.innerText')).toBe('the text');
});

// By the keyboard only.
test.for(cases)('confirm, %s: a PIN opens the link by %s', async ([name, mode], context) => {
  const browser = await openBrowser(name, context);
  const site = await startFiles(mode);
  const { id, url } = await site.issue({ ...single, pin: '47114711' });
  const page = await browser.open(site.nginx.url(url));
  expect(await heading(page)).toBe(PIN);
  await page.keyboard.press('Tab');
  await page.keyboard.type('12341234');
  await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')]);
  expect(await page.$eval('.error', (element) => element.textContent)).toContain('wrong');
  expect(await page.title()).toBe(`Error: ${PIN}`);
  expect(await stateOf(site, id)).toMatchObject({ uses_left: 1, requesters: [] });
  // The field has the focus.
  await page.keyboard.type('47114711');
  await page.keyboard.press('Enter');
  await expectSaved(browser);
  const said = () => page.$eval('[role=status]', ({ textContent }) => textContent);
  await expect.poll(said).toBe('Your download has started.');
  expect(await page.$('.error, [aria-invalid]')).toBeNull();
  expect(await page.title()).toBe(PIN);
  expect(await stateOf(site, id)).toMatchObject(usedOnceFrom('127.0.0.1'));
  expect(await site.log()).not.toMatch(/47114711|12341234/);
});

test.for(browsers)('confirm, %s: after the click, back and reload work', async (name, context) => {
  const browser = await openBrowser(name, context);
  const site = await startFiles();
  const { id, url } = await site.issue(single);
  const page = await browser.open(await pageOf(site, link('film', url)));
  await page.click('#film');
  await page.waitForSelector('button');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await expectSaved(browser);
  // The page is still there, and its button.
  await page.click('button');
  await expectSaved(browser);
  // A known requester needs no second click.
  await page.evaluate('location.reload()');
  await expectSaved(browser);
  // Without a `load` event if the page comes from the cache of the browser.
  await page.evaluate('history.back()');
  await page.waitForSelector('#film');
  await page.click('#film');
  await expectSaved(browser);
  expect(await stateOf(site, id)).toMatchObject(usedOnceFrom('127.0.0.1'));
});

test.for(browsers)('confirm, %s: an interrupted download is completed', async (name, context) => {
  const browser = await openBrowser(name, context);
  const site = await startFiles();
  const { origin, isCut } = await startCutter(site.nginx.port);
  const { id, url } = await site.issue(single);
  const { pathname } = new URL(await pageOf(site, link('film', url)));
  const page = await browser.open(origin + pathname);
  await page.click('#film');
  await page.locator('button').click();
  await waitFor(isCut, { what: 'the download to be cut' });
  // Chromium resumes by itself. In Firefox the user starts the download again.
  if (name === 'Firefox') await page.evaluate('location.reload()');
  const saved = await browser.downloaded();
  expect(saved.content.equals(BYTES)).toBe(true);
  const lines = await waitForLines(site, id, ({ length }) => length === 4);
  const last = name === 'Chromium' ? 206 : 200;
  expect(lines.map(({ status }) => status)).toEqual([401, 303, 200, last]);
  expect(await stateOf(site, id)).toMatchObject(usedOnceFrom('127.0.0.1'));
});
