import { describe, expect, test } from 'vitest';
import { NAMES } from '../support/fixtures.ts';
import type { Headers, RawAnswer } from '../support/raw.ts';
import { modes, siteForTest, useSite } from '../support/site.ts';

const CONTENT = Array.from({ length: 1000 }, (_, i) => `line ${i}\n`).join('');

/** The part of a response that must be the same as for an unprotected file. */
function essence(answer: RawAnswer) {
  const names = ['content-type', 'content-length', 'content-range', 'accept-ranges'];
  const same = [...names, 'last-modified', 'etag'].map((name) => [name, answer.header(name)]);
  // The boundary of a multi-range answer is a counter.
  const boundary = /boundary=(\S+)/.exec(answer.header('content-type') ?? '')?.[1];
  const text = JSON.stringify([answer.status, Object.fromEntries(same), answer.text]);
  return boundary === undefined ? text : text.replaceAll(boundary, 'BOUNDARY');
}

describe.each(modes)('ranges: protected files get the same as public ones by %s', (mode) => {
  let protectedUrl: string;
  let etag: string;
  let modified: string;
  const files = { 'a.txt': CONTENT, 'empty.txt': '' };
  const locations = 'location ^~ /open/ { alias $files/; }';
  const site = useSite({ mode, files, locations }, async () => {
    protectedUrl = (await site.issue({ path: '/download/a.txt' })).url;
    const plain = await site.ask('GET', '/open/a.txt');
    etag = plain.header('etag') as string;
    modified = plain.header('last-modified') as string;
  });

  const cases: ReadonlyArray<[name: string, status: number, headers: () => Headers]> = [
    ['GET', 200, () => ({})],
    ['a range', 206, () => ({ Range: 'bytes=5-9' })],
    ['an open range', 206, () => ({ Range: 'bytes=100-' })],
    ['a suffix range', 206, () => ({ Range: 'bytes=-7' })],
    ['several ranges', 206, () => ({ Range: 'bytes=0-3,10-13,-2' })],
    ['a range beyond the end', 416, () => ({ Range: 'bytes=999999-' })],
    ['a malformed range', 416, () => ({ Range: 'bytes=b-a' })],
    ['If-Range, the same', 206, () => ({ Range: 'bytes=5-9', 'If-Range': etag })],
    ['If-Range by date', 206, () => ({ Range: 'bytes=5-9', 'If-Range': modified })],
    ['If-Range, another', 200, () => ({ Range: 'bytes=5-9', 'If-Range': '"other"' })],
    ['If-None-Match', 304, () => ({ 'If-None-Match': etag })],
    ['If-None-Match, another', 200, () => ({ 'If-None-Match': '"other"' })],
    ['If-Modified-Since', 304, () => ({ 'If-Modified-Since': modified })],
    ['If-Match, another', 412, () => ({ 'If-Match': '"other"' })],
    ['If-Unmodified-Since', 412, () => ({ 'If-Unmodified-Since': new Date(1000).toUTCString() })],
  ];

  describe.each(['GET', 'HEAD'])('%s', (method) => {
    test.each(cases)('%s: %i', async (_, status, headers) => {
      const open = await site.ask(method, '/open/a.txt', headers());
      const own = await site.ask(method, protectedUrl, headers());
      expect(open.status).toBe(status);
      expect(essence(own)).toBe(essence(open));
    });
  });

  test('an empty file is served', async () => {
    const { url } = await site.issue({ path: '/download/empty.txt' });
    const open = await site.ask('GET', '/open/empty.txt');
    expect(essence(await site.ask('GET', url))).toBe(essence(open));
  });
});

test('by X-Accel a shared cache keeps no file of an internal location without internal.conf', async () => {
  const site = await siteForTest({
    mode: 'X-Accel',
    files: { 'a.txt': 'file a' },
    http: 'proxy_cache_path $files/../shared keys_zone=shared:1m;',
    only: `
      location ^~ /download/ { include postern/x-accel.conf; }
      location ^~ /protected/ { internal; alias $files/; }
      location ^~ /cached/ {
        proxy_cache shared; proxy_cache_key one; proxy_cache_valid 1h;
        proxy_pass http://127.0.0.1:$port/download/;
      }`,
  });
  const { url } = await site.issue({ path: '/download/a.txt' });
  const opened = await site.ask('GET', url.replace('/download/', '/cached/'));
  expect([opened.status, opened.text]).toEqual([200, 'file a']);
  expect((await site.ask('GET', '/cached/a.txt')).status).toBe(401);
  expect(opened.header('expires')).toBe('0');
});

describe.each(modes)('file names: unusual ones by %s', (mode) => {
  // Each file contains its name, so that the test recognizes the served file.
  const files = Object.fromEntries(NAMES.map((name) => [name, `this is ${name}`]));
  // HTTP trims a space at the end: nginx would then serve these files.
  const site = useSite({ mode, files: { ...files, pA: 'decoded twice', a: 'cut at ?' } });

  const encoded = (name: string) => name.split('/').map(encodeURIComponent).join('/');

  test.each(NAMES)('%j by query, folder, header and cookie', async (name) => {
    const file = await site.issue({ path: `/download/${name}` });
    const folder = await site.issue({ prefix: '/download/' });
    const { access_token: token } = file;
    const bare = `/download/${encoded(name)}`;
    const answers = await Promise.all([
      site.ask('GET', file.url),
      site.ask('GET', folder.url + encoded(name)),
      site.ask('GET', bare, { Authorization: `Bearer ${token}` }),
      site.ask('GET', bare, { Cookie: `other=1; postern=${token}` }),
      site.ask('GET', `${bare}?a=1&token=${token}&b=2`),
    ]);
    for (const answer of answers) {
      expect([answer.status, answer.text]).toEqual([200, `this is ${name}`]);
    }
  });

  test('raw UTF-8 in the request line is accepted', async () => {
    const { access_token: token } = await site.issue({ path: '/download/日本語のファイル.txt' });
    const answer = await site.ask('GET', `/download/日本語のファイル.txt?token=${token}`);
    expect([answer.status, answer.text]).toEqual([200, 'this is 日本語のファイル.txt']);
  });
});
