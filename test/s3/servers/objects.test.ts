import { randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fetchAll, openBrowser, pageOf, pagesLocation, playAll } from '../../browsers/browser.ts';
import { fragments, makePlaylist, SECONDS } from '../../clients/hls.ts';
import { client, downloader } from '../../clients/programs.ts';
import { stateOf, usedOnceFrom, waitForLines } from '../../clients/state.ts';
import { folderForTest, forTest } from '../../support/for-test.ts';
import { NAMES as LEGAL_NAMES } from '../../support/names.ts';
import { modes } from '../../support/site.ts';
import { encoded, START_MS, type StorageSite, startStorageSite } from './sites.ts';

const MIB = 1024 * 1024;
const BYTES = randomBytes(8 * MIB);
const TEXT = Array.from({ length: 2000 }, (_, i) => `line ${i}\n`).join('');

const NAMES = [
  ...LEGAL_NAMES,
  'a b+c d.txt',
  '$uri$args$postern_object.txt',
  'folder/in folder?/#deep%+.txt',
  // Swift's limit of a key is 1024 bytes, as in S3. The prefix has 7 of them.
  `${'x'.repeat(996)}.txt`,
  '長'.repeat(333),
  `${'+'.repeat(996)}.txt`,
];

describe.each(modes)('object store: objects by %s', (mode) => {
  let site: StorageSite;
  beforeAll(async () => {
    // The content of the others is their name, so that no other object can be taken for it.
    const named = Object.fromEntries(NAMES.map((name) => [`videos/${name}`, `this is ${name}`]));
    const decoys = { 'videos/pA.txt': 'decoded twice', 'videos/a b.txt': 'a plus is a space' };
    const objects = { 'videos/big.bin': BYTES, 'videos/a.txt': TEXT, 'other/b.txt': 'other' };
    site = await startStorageSite({ media: { ...objects, ...named, ...decoys } }, { mode });
  }, START_MS);
  afterAll(() => site.stop());

  const issue = async () => (await site.issue({ path: '/media/a.txt' })).url;

  test('the headers of the object are kept, and none names the account or the bucket', async () => {
    const answer = await site.ask('GET', await issue());
    expect([answer.status, answer.text]).toEqual([200, TEXT]);
    expect(answer.header('content-type')).toMatch(/^text\/plain/);
    expect(answer.header('accept-ranges')).toBe('bytes');
    expect(answer.header('last-modified')).toMatch(/GMT$/);
    expect(answer.header('etag')).toMatch(/^"[0-9a-f]{32}"$/);
    expect(answer.header('cache-control')).toBe('private, no-store');
    const names = answer.headers.map(([name]) => name.toLowerCase());
    expect(names.filter((name) => /^postern|^x-.*(?:meta|key|manifest)/.test(name))).toEqual([]);
    const values = answer.headers.map(([, value]) => value);
    expect(values.join()).not.toMatch(/amz|swift|media|videos|openstack/i);
  });

  test('ranges and conditions are answered by the storage', async () => {
    const url = await issue();
    const etag = (await site.ask('GET', url)).header('etag') ?? '';
    const ask = async (headers: Record<string, string>) => {
      const { status, text } = await site.ask('GET', url, headers);
      return [status, text];
    };
    const Range = 'bytes=5-9';
    expect(await ask({ Range })).toEqual([206, TEXT.slice(5, 10)]);
    expect(await ask({ Range: 'bytes=-5' })).toEqual([206, TEXT.slice(-5)]);
    expect(await ask({ Range, 'If-Range': etag })).toEqual([206, TEXT.slice(5, 10)]);
    // Swift ignores If-Range. test/nginx/internal-proxy.test.ts shows that nginx passes it on.
    expect(await ask({ 'If-None-Match': etag })).toEqual([304, '']);
    expect(await ask({ 'If-None-Match': '"other"' })).toEqual([200, TEXT]);
    expect((await ask({ Range: 'bytes=999999-' }))[0]).toBe(416);
    const head = await site.ask('HEAD', url);
    expect([head.status, head.header('content-length')]).toEqual([200, String(TEXT.length)]);
  });

  test('a missing object is a 404 that shows nothing of the storage', async () => {
    for (const path of ['/media/no.txt', '/media/other/b.txt']) {
      const answer = await site.ask('GET', (await site.issue({ path })).url);
      expect([answer.status, JSON.parse(answer.text).code]).toEqual([404, 'not_found']);
      expect(JSON.stringify(answer.headers)).not.toMatch(/amz|xml|swift|trans/i);
    }
  });

  test.each(NAMES.map((name) => [name.slice(0, 40), name]))(
    'the object %j is served by its name',
    async (_, name) => {
      const file = await site.issue({ path: `/media/${name}` });
      const folder = await site.issue({ prefix: '/media/' });
      const target = await site.issue({ path: '/media/other', target: `/s3-media/${name}` });
      for (const url of [file.url, folder.url + encoded(name), target.url]) {
        const answer = await site.ask('GET', url);
        expect([answer.status, answer.text]).toEqual([200, `this is ${name}`]);
      }
    },
  );

  test('aria2c -x8 takes one use', async (context) => {
    const aria2c = await downloader('aria2c', context);
    const { url, id } = await site.issue({ path: '/media/big.bin', max_uses: 1 });
    const file = join(await folderForTest(), 'big.bin');
    const download = { url: site.nginx.url(url), file, more: ['-x8', '-s8', '-k1M'] };
    expect(await aria2c.download(download)).toMatchObject({ code: 0 });
    expect((await readFile(file)).equals(BYTES)).toBe(true);
    expect(await stateOf(site, id)).toMatchObject(usedOnceFrom('127.0.0.1'));
  });

  test('curl resumes a download that was cut', async (context) => {
    const curl = await downloader('curl', context);
    const { url, id } = await site.issue({ path: '/media/big.bin', max_uses: 1 });
    const download = { url: site.nginx.url(url), file: join(await folderForTest(), 'big.bin') };
    await curl.cut(download, MIB);
    expect(await curl.resume(download)).toMatchObject({ code: 0 });
    expect((await readFile(download.file)).equals(BYTES)).toBe(true);
    const lines = await waitForLines(site, id, ({ length }) => length >= 2);
    expect(lines.map(({ status }) => status).sort()).toContain(206);
  });
});

test.for(modes)(
  'Chromium: plays HLS from a private bucket with the token of a prefix by %s',
  { timeout: START_MS },
  async (mode, context) => {
    const browser = await openBrowser('Chromium', context);
    const ffmpeg = await client('ffmpeg', context);
    const folder = join(await folderForTest(), 'hls');
    await makePlaylist(ffmpeg, folder, fragments);
    const names = await readdir(folder);
    const object = async (name: string) =>
      [`videos/hls/${name}`, await readFile(join(folder, name))] as const;
    const objects = await Promise.all(names.map(object));
    const media = Object.fromEntries(objects);
    const site = await forTest(startStorageSite({ media }, { mode, locations: pagesLocation }));
    const { id, url } = await site.issue({ prefix: '/media/hls/' });
    const page = await browser.open(await pageOf(site, 'A page of the site'));

    const lengths = objects
      .map(([key, bytes]) => [key.slice('videos/hls/'.length), 200, bytes.length])
      .filter(([name]) => name !== 'index.m3u8')
      .sort();
    expect(await page.evaluate(fetchAll(`${url}index.m3u8`))).toEqual([200, lengths]);
    expect(await page.evaluate(playAll(`${url}index.m3u8`))).toBeCloseTo(SECONDS);
    const lines = await waitForLines(site, id, ({ length }) => length >= names.length);
    expect(new Set(lines.map(({ code }) => code))).toEqual(new Set(['allow']));
    const seen = JSON.stringify(lines);
    expect(seen).not.toMatch(/X-Amz|videos/);
  },
);
