import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Site, startSite } from '../../dev/demo/site.ts';
import { waitFor } from '../harness/wait.ts';
import { browsers, openBrowser, violations } from '../support/browser.ts';

let site: Site;
beforeAll(async () => {
  site = await startSite({});
  await site.startApp();
});
afterAll(() => site.stop());

const rows = `[...document.querySelectorAll('tbody tr')].map(({ innerText }) => innerText.replace(/\\s+/g, ' '))`;

test.for(browsers)('demo, %s: each button does what it says', async (name, context) => {
  const browser = await openBrowser(name, context);
  const page = await browser.open(`${site.origin}/`);
  const seen = (text: string) =>
    expect.poll(() => page.evaluate(rows)).toContainEqual(expect.stringContaining(text));
  expect(await violations(page)).toEqual([]);

  await page.click('[data-name=text]');
  expect(await browser.downloaded()).toMatchObject({ name: 'hello.txt' });
  await seen('GET /download/hello.txt?token=*** allow 200, 28 B');

  await page.click('[data-name=film]');
  await expect.poll(() => page.evaluate('document.querySelector("video").ended')).toBe(true);
  for (const part of ['index.m3u8', 'init.mp4', '0.m4s', '1.m4s', '2.m4s', '3.m4s']) {
    await seen(`GET /media/~***/film/${part} allow 200`);
  }

  await page.click('[data-name=once]');
  // The link opens at once, in another tab.
  const opened = (part: string) =>
    waitFor(async () => (await browser.context.pages()).find((one) => one.url().includes(part)), {
      what: part,
    });
  const confirm = await opened('large.bin');
  const url = confirm.url();
  await confirm.waitForSelector('form');
  expect(await confirm.evaluate('document.body.innerText')).toMatch(
    /67\.1 MB\s+Sent by Postern demo/,
  );
  await seen('GET /download/large.bin?token=*** confirmation_required 401');
  await confirm.click('button');
  expect(await browser.downloaded()).toMatchObject({ name: 'large.bin' });
  await seen('POST /download/large.bin?token=***');
  await seen('GET /download/large.bin?token=***&postern_confirmed=1 allow, known 200');

  await page.bringToFront();
  await page.click('[data-name=folder]');
  const list = await opened('/gallery/');
  const shown = () => list.$$eval('tbody a', (all) => all.map((link) => link.textContent));
  await expect.poll(shown).toContain('thumbnail.png');
  await seen('GET /download/~***/gallery/ allow 200');
  expect(await violations(list)).toEqual([]);

  await page.bringToFront();
  await page.click('[aria-label="Revoke the link for large.bin, 67 MB"]');
  await expect.poll(() => page.$eval('[role=status]', (it) => it.textContent)).toContain('revoked');
  const revoked = `(() => {
      const link = document.querySelector('#links a[href*="large.bin"]');
      return [link.parentElement.lastChild.textContent, getComputedStyle(link).textDecorationLine];
    })()`;
  expect(await page.evaluate(revoked)).toEqual(['revoked', 'line-through']);
  await browser.open(url);
  await seen('GET /download/large.bin?token=*** invalid_token 401');
  expect(await violations(page)).toEqual([]);

  await page.bringToFront();
  const said = () => page.$eval('[role=status]', (it) => it.textContent);
  await page.click('[data-name=slow]');
  await expect.poll(said).toMatch(/^large\.bin, 4 MB\/s: [1-9][\d.]* MB sent\./);
  await page.click('[aria-label="Revoke the link for large.bin, 4 MB/s"]');
  await expect.poll(said).toContain('A slow download has ended.');
  await seen('GET /slow/large.bin');

  // On a phone, each part of a path or name is whole.
  await page.setViewport({ width: 360, height: 640 });
  expect(await page.evaluate('document.documentElement.scrollWidth > innerWidth')).toBe(false);
  const broken = `[...document.querySelectorAll('td')].flatMap((cell) => [...cell.childNodes]
    .filter((part) => {
      const range = document.createRange();
      range.selectNodeContents(part);
      return /^\\S+$/.test(part.data) && range.getClientRects().length > 1;
    }).map(({ data }) => data))`;
  expect(await page.evaluate(broken)).toEqual([]);
});
