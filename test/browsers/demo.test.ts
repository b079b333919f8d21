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
  const once = await page.waitForSelector('#links a[href*="large.bin"]');
  const url = (await once?.evaluate((link) => link.getAttribute('href'))) ?? '';
  const confirm = await browser.open(url);
  await seen('GET /download/large.bin?token=*** confirmation_required 401');
  await confirm.click('button');
  expect(await browser.downloaded()).toMatchObject({ name: 'large.bin' });
  await seen('POST /download/large.bin?token=***');
  await seen('GET /download/large.bin?token=***&postern_confirmed=1 allow, known 200');

  await page.bringToFront();
  await page.click('[data-name=folder]');
  const list = await waitFor(
    async () => (await browser.context.pages()).find((one) => one.url().includes('/gallery/')),
    { what: 'the folder' },
  );
  const shown = () => list.$$eval('tbody a', (all) => all.map((link) => link.textContent));
  await expect.poll(shown).toContain('thumbnail.png');
  await seen('GET /download/~***/gallery/ allow 200');
  expect(await violations(list)).toEqual([]);

  await page.bringToFront();
  await page.click('[aria-label="Revoke the link for large.bin, 64 MiB"]');
  await expect.poll(() => page.$eval('[role=status]', (it) => it.textContent)).toContain('revoked');
  const revoked = `(() => {
      const link = document.querySelector('#links a[href*="large.bin"]');
      return [link.parentElement.lastChild.textContent, getComputedStyle(link).textDecorationLine];
    })()`;
  expect(await page.evaluate(revoked)).toEqual(['revoked', 'line-through']);
  await browser.open(url);
  await seen('GET /download/large.bin?token=*** invalid_token 401');
  expect(await violations(page)).toEqual([]);
});
