import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { downloader } from '../../clients/download.ts';
import { testFolder } from '../../clients/folder.ts';
import { waitForLines } from '../../clients/site-log.ts';
import { stateOf, usedOnceFrom } from '../../clients/state.ts';
import { modes } from '../../support/site.ts';
import { START_MS, type StorageSite, startStorageSite } from './storage-site.ts';

const MIB = 1024 * 1024;
const BYTES = randomBytes(8 * MIB);
const TEXT = Array.from({ length: 2000 }, (_, i) => `line ${i}\n`).join('');

describe.each(modes)('object store: transfers by %s', (mode) => {
  let site: StorageSite;
  beforeAll(async () => {
    const objects = { 'videos/big.bin': BYTES, 'videos/a.txt': TEXT, 'other/b.txt': 'other' };
    site = await startStorageSite({ media: objects }, { mode });
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

  test('aria2c -x8 takes one use', async (context) => {
    const aria2c = await downloader('aria2c', context);
    const { url, id } = await site.issue({ path: '/media/big.bin', max_uses: 1 });
    const file = join(await testFolder(), 'big.bin');
    const more = ['-x8', '-s8', '-k1M'];
    expect(await aria2c.download({ url: site.nginx.url(url), file, more })).toMatchObject({
      code: 0,
    });
    expect((await readFile(file)).equals(BYTES)).toBe(true);
    expect(await stateOf(site, id)).toMatchObject(usedOnceFrom('127.0.0.1'));
  });

  test('curl resumes a download that was cut', async (context) => {
    const curl = await downloader('curl', context);
    const { url, id } = await site.issue({ path: '/media/big.bin', max_uses: 1 });
    const download = { url: site.nginx.url(url), file: join(await testFolder(), 'big.bin') };
    await curl.cut(download, MIB);
    expect(await curl.resume(download)).toMatchObject({ code: 0 });
    expect((await readFile(download.file)).equals(BYTES)).toBe(true);
    const lines = await waitForLines(site, id, ({ length }) => length >= 2);
    expect(lines.map(({ status }) => status).sort()).toContain(206);
  });
});
