import { randomBytes } from 'node:crypto';
import { open, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, type TestContext, test } from 'vitest';
import type { Page } from '../harness/puppeteer.ts';
import {
  browsers,
  cases,
  expectStatus,
  listingSite,
  openBrowser,
  readPrivate,
  startCutter,
  startHolder,
  status,
  withoutPicker,
  withPicker,
} from '../support/browser.ts';
import { client, stateOf, usedOnceFrom, waitForLines } from '../support/clients/programs.ts';
import { writeFiles } from '../support/files.ts';
import { folderForTest } from '../support/for-test.ts';

const COMPLETE = /^The ZIP is complete: ([\d,]+) files?, /;
const save = (page: Page) => page.click('.zip button');
const stop = (page: Page) => page.click('.zip button:not([hidden])');

/** The names in a ZIP, and the content of its files, after `unzip -t`. */
async function unzipped(content: Buffer, context: TestContext) {
  const unzip = await client('unzip', context);
  const folder = await folderForTest();
  const file = join(folder, 'a.zip');
  await writeFile(file, content);
  expect(await unzip.run(['-tq', file])).toMatchObject({ code: 0 });
  const { stdout } = await unzip.run(['-Z1', file]);
  const names = stdout.trimEnd().split('\n');
  const read = async (name: string) => (await unzip.run(['-p', file, name])).stdout;
  return { names: names.sort(), read };
}

const NAMES = ['Übung "1".txt', "it's.txt", 'a b;c&d.txt', '$(id).txt', '中文 😀.txt', 'empty'];
const many: Record<string, string> = Object.fromEntries([
  ...NAMES.map((name) => [name, name === 'empty' ? '' : `content of ${name}`]),
  ...NAMES.map((name) => [`Fünf/"tief"/${name}`, `deep ${name}`]),
  ...Array.from({ length: 1000 - 2 * NAMES.length }, (_, i) => [`many/${i}.txt`, `file ${i}`]),
]);
const files = Object.fromEntries(Object.entries(many).map(([name, text]) => [`hls/${name}`, text]));
const grant = { prefix: '/download/hls/', listing: true };

/** A proxy before the site that passes on only the public location. */
const behindFront = `server {
  listen 127.0.0.1:$front;
  location /download/ { proxy_pass http://127.0.0.1:$port; }
}`;

test.for(cases)('ZIP, %s: 1,000 files with any names by %s', async ([name, mode], context) => {
  const browser = await openBrowser(name, context);
  const site = await listingSite({ mode, files, http: behindFront });
  const once = await site.issue({ ...grant, max_uses: 1 });
  const page = await browser.open(`http://127.0.0.1:${site.nginx.ports[1]}${once.url}`);
  await page.evaluate(withoutPicker);
  await save(page);
  await expectStatus(page, COMPLETE);
  expect(COMPLETE.exec((await status(page)) ?? '')?.[1]).toBe('1,000');
  const saved = await browser.downloaded();
  expect(saved.name).toBe('hls.zip');
  const zip = await unzipped(saved.content, context);
  expect(zip.names).toEqual(Object.keys(many).sort());
  for (const one of NAMES) {
    // unzip takes a pattern.
    const pattern = one.replace(/[[\]*?]/g, '[$&]');
    expect(await zip.read(pattern)).toBe(many[one]);
    expect(await zip.read(`Fünf/"tief"/${pattern}`)).toBe(`deep ${one}`);
  }
  expect(await stateOf(site, once.id)).toMatchObject(usedOnceFrom('127.0.0.1'));
});

test.for(browsers)('ZIP, %s: streamed to a file', async (name, context) => {
  const browser = await openBrowser(name, context);
  const large = randomBytes(4_000_000);
  const site = await listingSite({ files: { 'hls/large.bin': large, 'hls/sub/a.txt': 'a' } });
  const { url } = await site.issue({ ...grant, cookie: true });
  await browser.open(site.nginx.url(url));
  // The cookie of the first response opens it.
  const page = await browser.open(site.nginx.url('/download/hls/'));
  await page.evaluate(withPicker);
  await save(page);
  await expectStatus(page, COMPLETE);
  const content = Buffer.from((await page.evaluate(readPrivate('hls.zip'))) as string, 'base64');
  const zip = await unzipped(content, context);
  expect(zip.names).toEqual(['large.bin', 'sub/a.txt']);
  // client-zip does not compress.
  expect(content.includes(large)).toBe(true);
  expect(await browser.downloads()).toEqual([]);
});

test.for(browsers)('ZIP, %s: four small files are fetched ahead', async (name, context) => {
  const browser = await openBrowser(name, context);
  const small = Object.fromEntries([...'abcdefgh'].map((one) => [`hls/${one}`, `file ${one}`]));
  const site = await listingSite({ files: { ...small, 'hls/c': Buffer.alloc(4_000_001) } });
  const { url } = await site.issue(grant);
  const holder = await startHolder(site.nginx.port, 'e');
  const page = await browser.open(holder.origin + url);
  await page.evaluate(withoutPicker);
  await save(page);
  // c is too large to wait for its turn. After the 429 for e, only three are ahead.
  await expect.poll(holder.held).toEqual(['a', 'b', 'd']);
  holder.release('a');
  await expect.poll(holder.held).toEqual(['b', 'd']);
  holder.release('b');
  await expect.poll(holder.held).toEqual(['c', 'd', 'f']);
  holder.releaseAll();
  await expectStatus(page, COMPLETE);
  const { content } = await browser.downloaded();
  const zip = await unzipped(content, context);
  expect(zip.names).toEqual([...'abcdefgh']);
  expect(await zip.read('h')).toBe('file h');
  // In the order of the list.
  const offsets = ['file a', 'file b', 'file d', 'file h'].map((text) => content.indexOf(text));
  expect(offsets).toEqual(offsets.toSorted((one, other) => one - other));
});

test.for(browsers)('ZIP, %s: a file that fails midway leaves none', async (name, context) => {
  const browser = await openBrowser(name, context);
  const site = await listingSite({
    files: { 'hls/a.txt': 'a', 'hls/large.bin': randomBytes(4_000_000), 'hls/z.txt': 'z' },
  });
  const { url } = await site.issue(grant);
  for (const picker of [withoutPicker, withPicker]) {
    const { origin, isCut } = await startCutter(site.nginx.port);
    const page = await browser.open(origin + url);
    await page.evaluate(picker);
    await save(page);
    await expectStatus(page, /^The download failed\..* large\.bin$/);
    expect(isCut()).toBe(true);
    if (picker === withPicker) expect(await page.evaluate(readPrivate('hls.zip'))).toBe('');
    // The next attempt works.
    await save(page);
    await expectStatus(page, COMPLETE);
    if (picker === withoutPicker) {
      const { content } = await browser.downloaded();
      expect((await unzipped(content, context)).names).toEqual(['a.txt', 'large.bin', 'z.txt']);
    }
  }
});

test.for(browsers)('ZIP, %s: can be stopped', async (name, context) => {
  const browser = await openBrowser(name, context);
  const site = await listingSite({ files: { 'hls/large.bin': randomBytes(4_000_000) } });
  const { id, url } = await site.issue({ ...grant, limit_rate: 50_000 });
  for (const picker of [withoutPicker, withPicker]) {
    const page = await browser.open(site.nginx.url(url));
    await page.evaluate(picker);
    await save(page);
    await expectStatus(page, /^1 of 1 files, /);
    await stop(page);
    await expectStatus(page, /^Stopped\./);
    expect(await page.$eval('progress', ({ hidden }) => hidden)).toBe(true);
    if (picker === withPicker) expect(await page.evaluate(readPrivate('hls.zip'))).toBe('');
  }
  const lines = await waitForLines(
    site,
    id,
    (all) => all.filter(({ request }) => request.includes('large.bin')).length === 2,
  );
  const ended = lines.filter(({ request }) => request.includes('large.bin'));
  expect(ended.map(({ completion }) => completion)).toEqual(['', '']);
  expect(await browser.downloads()).toEqual([]);
});

test.for(browsers)('ZIP, %s: waits after a 429', async (name, context) => {
  const browser = await openBrowser(name, context);
  const site = await listingSite({
    files: {
      ...Object.fromEntries([...'abcdefgh'].map((one) => [`hls/${one}.txt`, one])),
      'hls/large.bin': Buffer.alloc(4_000_001),
    },
    server: 'limit_conn postern_connections 1;',
  });
  const { id, url } = await site.issue({ ...grant, limit_rate: 100_000 });
  const page = await browser.open(site.nginx.url(url));
  const other = await site.fetch(`${url}large.bin`);
  expect(other.status).toBe(200);
  await page.evaluate(withoutPicker);
  await save(page);
  await waitForLines(site, id, (all) => all.some((line) => line.status === 429));
  await other.body?.cancel();
  await expectStatus(page, /^9 of 9 files, /);
  await stop(page);
  await expectStatus(page, /^Stopped\./);
});

test.for(browsers)('ZIP, %s: names files and folders that do not open', async (name, context) => {
  const browser = await openBrowser(name, context);
  const site = await listingSite({ files: { 'hls/a.txt': 'a', '../secret/b.txt': 'b' } });
  const hls = join(site.files, 'hls');
  await symlink(join(site.files, '..', 'secret'), join(hls, 'link'));
  await symlink(join(site.files, 'none'), join(hls, 'broken.txt'));
  const { url } = await site.issue(grant);
  const page = await browser.open(site.nginx.url(url));
  await page.evaluate(withoutPicker);
  await save(page);
  await expectStatus(page, /^The ZIP is complete: 1 files, .* It does not contain: link\//);
  const { content } = await browser.downloaded();
  expect((await unzipped(content, context)).names).toEqual(['a.txt']);
});

test.for(browsers)('ZIP, %s: asks before it needs much memory', async (name, context) => {
  const browser = await openBrowser(name, context);
  const site = await listingSite({ files: { 'hls/a.txt': 'a' } });
  const sparse = async (file: string, gigabytes: number) => {
    const handle = await open(join(site.files, 'hls', file), 'w');
    await handle.truncate(gigabytes * 1024 ** 3);
    await handle.close();
  };
  await sparse('film.mkv', 2);
  const { url } = await site.issue(grant);
  const page = await browser.open(site.nginx.url(url));
  await page.evaluate(withoutPicker);
  const asked: string[] = [];
  page.on('dialog', (dialog) => {
    asked.push(dialog.message());
    void dialog.dismiss();
  });
  await save(page);
  await expectStatus(page, /^Stopped\./);
  expect(asked).toEqual([expect.stringContaining('The files have 2.1 GB.')]);

  await sparse('more.mkv', 49);
  await save(page);
  const limits = 'The limits are 10,000 files, 50 GB and 20 levels of folders.';
  await expectStatus(page, limits);
  const deep = Array.from({ length: 21 }, (_, i) => `${i}`).join('/');
  await writeFiles(join(site.files, 'deep'), { [`${deep}/a.txt`]: 'a' });
  const other = await site.issue({ prefix: '/download/deep/', listing: true });
  await page.goto(site.nginx.url(other.url));
  await page.evaluate(withoutPicker);
  await save(page);
  await expectStatus(page, limits);
  // Nothing is left of the stopped ones.
  expect(asked).toHaveLength(1);
  expect(await browser.downloads()).toEqual([]);
});
