import { randomBytes } from 'node:crypto';
import { readdir, readFile, rename, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { waitFor } from '../harness/wait.ts';
import { download, SLICE, sliced } from '../support/nginx/slices.ts';
import type { Headers, RawAnswer } from '../support/raw.ts';
import { countAsked, siteForTest, useSite } from '../support/site.ts';

const BIG = randomBytes(SLICE * 4 + 1000);
const NAME = 'we ird%41?#ü.bin';
const FILES = { 'big.bin': BIG, 'a.txt': 'hello', 'empty.txt': '', [NAME]: BIG };
const HOSTILE = 'underscores_in_headers on; ignore_invalid_headers off;';
const PATH = '/download/big.bin';

describe('slices: a request gets what it gets without slices', () => {
  const INNER_LOG = 'access_log $dir/inner.log postern;';
  const cut = sliced({ server: HOSTILE, log: INNER_LOG });
  const site = useSite({ ...cut, server: HOSTILE, files: FILES });
  const plain = useSite({ mode: 'auth_request', files: FILES });

  /** What a requester sees, without what differs between two sites. */
  const seen = ({ status, headers, body }: RawAnswer) => [
    status,
    headers.filter(([name]) => !/^(?:date|last-modified|etag|connection)$/.test(name)).sort(),
    body.toString('base64').slice(0, 5000),
    body.length,
  ];

  const rows: ReadonlyArray<readonly [path: string, method: string, headers: Headers]> = [
    [PATH, 'GET', {}],
    [PATH, 'HEAD', {}],
    [PATH, 'GET', { Range: 'bytes=0-0' }],
    [PATH, 'GET', { Range: `bytes=${SLICE - 1}-${SLICE}` }],
    [PATH, 'GET', { Range: `bytes=${SLICE + 5}-` }],
    [PATH, 'GET', { Range: 'bytes=-5' }],
    [PATH, 'GET', { Range: `bytes=-${SLICE * 3}` }],
    [PATH, 'GET', { Range: 'bytes=999999999-' }],
    [PATH, 'GET', { Range: `bytes=${SLICE * 2}-`, 'If-Range': '"another"' }],
    [PATH, 'GET', { 'If-None-Match': '*' }],
    [PATH, 'GET', { 'If-Match': '"another"' }],
    [PATH, 'GET', { 'If-Modified-Since': 'Fri, 01 Jan 2100 00:00:00 GMT' }],
    [PATH, 'GET', { 'Accept-Encoding': 'gzip' }],
    ['/download/a.txt', 'GET', {}],
    ['/download/a.txt', 'GET', { Range: 'bytes=1-2' }],
    ['/download/empty.txt', 'GET', {}],
    ['/download/empty.txt', 'HEAD', {}],
    ['/download/none.txt', 'GET', {}],
    ['/download/none.txt', 'GET', { Accept: 'text/html' }],
    [`/download/${NAME}`, 'GET', {}],
  ];
  test.each(rows)('%s %s %j', async (path, method, headers) => {
    const answers = await Promise.all(
      [site, plain].map(async (one) => one.ask(method, (await one.issue({ path })).url, headers)),
    );
    const [cut, whole] = answers.map((answer) => seen(answer));
    expect(cut).toEqual(whole);
    expect(JSON.stringify(cut)).not.toMatch(/postern-(?!confirmed)/i);
  });

  test.each([{}, { Accept: 'text/html' }])('denials: %j', async (headers) => {
    const { url } = await site.issue({ path: '/download/a.txt' });
    const other = await plain.issue({ path: '/download/a.txt' });
    for (const [mine, its] of [
      [PATH, PATH],
      [url.replace('a.txt', 'big.bin'), other.url.replace('a.txt', 'big.bin')],
    ] as const) {
      const [cut, whole] = await Promise.all([
        site.ask('GET', mine, headers),
        plain.ask('GET', its, headers),
      ]);
      expect([cut.status, cut.text.slice(0, 200)]).toEqual([
        whole.status,
        whole.text.slice(0, 200),
      ]);
      expect(JSON.stringify(cut.headers)).not.toMatch(/postern-/i);
    }
  });

  test('several ranges get the whole file', async () => {
    const { url } = await site.issue({ path: PATH });
    const answer = await site.ask('GET', url, { Range: 'bytes=0-1,5-6' });
    expect([answer.status, answer.body.equals(BIG)]).toEqual([200, true]);
  });

  test('each slice asks the gate once, whatever If-Range and Range say', async () => {
    const { url } = await site.issue({ path: PATH });
    const asked = countAsked(site);
    await site.ask('GET', url);
    expect(asked()).toBe(5);
    for (const range of ['bytes=0-', 'bytes=0-1,5-6', 'items=0-', 'bytes=0-99999999999999999999']) {
      const before = asked();
      await site.ask('GET', url, { Range: range, 'If-Range': '"another"' });
      expect(asked() - before).toBe(5);
    }
  });

  test('the log has a line for each request, with ID, subject and code, and without a token', async () => {
    const { url, id, access_token: token } = await site.issue({ path: PATH, subject: 'ada, b' });
    await site.ask('GET', url);
    await site.ask('GET', url, { Range: 'bytes=5-' });
    await site.ask('GET', url.replace('big', 'other'));
    const isComplete = async () =>
      (await site.log()).split('\n').filter((line) => line.includes(id)).length === 3;
    await waitFor(isComplete, { what: 'three lines' });
    const log = await site.log();
    const lines = log.split('\n').filter((line) => line.includes(id));
    const rows = lines.map((line) => JSON.parse(line));
    expect(rows.map(({ status, code }) => [status, code])).toEqual([
      [200, 'allow'],
      [206, 'allow'],
      [403, 'insufficient_scope'],
    ]);
    expect(rows[0]).toMatchObject({ subject: 'ada, b', bytes: BIG.length, completion: 'OK' });
    expect(log).not.toContain(token);
    expect(log).not.toContain('unix:');
    // The inner block usually has no log. One that an operator writes has no token either.
    const inner = await readFile(join(site.nginx.dir, 'inner.log'), 'utf8');
    expect(inner).toContain(id);
    expect(inner).not.toContain(token);
  });

  test('no requester can say when its download began, from where it comes, or that a page is the site', async () => {
    const { url } = await site.issue({ path: PATH, expires_in: 1 });
    const bound = await site.issue({ path: PATH, ip: ['192.0.2.7'] });
    const start = String(Date.now() / 1000 - 1)
      .padEnd(14, '0')
      .slice(0, 14);
    const gone = async () => (await site.ask('GET', url, { Range: 'bytes=0-0' })).status === 401;
    await waitFor(gone, { what: 'the token to end' });
    for (const name of [
      'Postern-Started',
      'postern_started',
      'POSTERN-STARTED',
      'Postern_Started',
    ]) {
      for (const value of [start, [start, start]]) {
        expect((await site.ask('GET', url, { [name]: value })).status).toBe(401);
        expect((await plain.ask('GET', url, { [name]: value })).status).toBe(401);
      }
    }
    for (const name of ['X-Real-IP', 'X_Real_IP', 'X-Forwarded-For', 'Forwarded']) {
      expect((await site.ask('GET', bound.url, { [name]: '192.0.2.7' })).status).toBe(403);
    }
  });

  test('a POST confirms, and the cookie then opens each slice; a PIN stays in memory', async () => {
    const { url } = await site.issue({ path: PATH, confirm: true, pin: '4711', max_uses: 1 });
    expect((await site.ask('GET', url)).status).toBe(401);
    const form = { 'Content-Length': '8', Origin: 'http://files.example', Host: 'files.example' };
    const other = { ...form, Origin: 'http://other.example' };
    expect((await site.ask('POST', url, other, 'pin=4711')).status).toBe(403);
    const confirmed = await site.ask('POST', url, form, 'pin=4711');
    expect(confirmed.status).toBe(303);
    const cookie = confirmed.header('set-cookie')?.split(';')[0] ?? '';
    const answer = await site.ask('GET', url, { Cookie: cookie });
    expect([answer.status, answer.body.equals(BIG)]).toEqual([200, true]);
    expect((await site.ask('GET', url)).status).toBe(401);
    const large = { 'Content-Length': '3000' };
    expect((await site.ask('POST', url, large, 'x'.repeat(3000))).status).toBe(413);
  });

  test('a token with one use opens every slice for its requester, and nothing for another', async () => {
    const { url, id } = await site.issue({ path: PATH, max_uses: 1 });
    const first = await site.ask('GET', url);
    expect([first.status, first.body.length]).toEqual([200, BIG.length]);
    expect(first.header('set-cookie')).toMatch(/^postern_resume=/);
    expect((await site.postern.store.requesters(id)).total).toBe(1);
  });
});

test('slices: of 1,000 slow downloads at once, each asks the gate once for each slice', async () => {
  const cut = sliced({ outer: 'limit_rate 100k;' });
  // The gate and the requesters are in this process.
  const gate = (text: string) => text.replace(/(_timeout) \ds;/g, '$1 60s;');
  const edit = { ...cut.edit, gate };
  const site = await siteForTest({ ...cut, edit, workers: 2, files: { 'big.bin': BIG } });
  const asked = countAsked(site);
  const { url } = await site.issue({ path: PATH });
  const running = Array.from({ length: 1000 }, () => download('HTTP/1.1', site.nginx.url(''), url));
  const ends = await Promise.all(running.map(({ end }) => end));
  expect(new Set(ends)).toEqual(new Set(['complete']));
  expect(new Set(running.map(({ received }) => received()))).toEqual(new Set([BIG.length]));
  expect(asked()).toBe(1000 * 5);
});

describe('slices: a running download', () => {
  const LONG = randomBytes(SLICE * 24);
  /** The download takes some seconds by its rate. */
  const SLOW = { ...sliced({ outer: 'limit_rate 400k;' }), files: { 'big.bin': LONG } };

  async function begin(site: Awaited<ReturnType<typeof siteForTest>>, url: string) {
    const running = download('HTTP/1.1', site.nginx.url(''), url);
    await expect.poll(() => running.received()).toBeGreaterThan(0);
    return running;
  }

  test('goes on if its token ends, and is the whole file', async () => {
    const site = await siteForTest(SLOW);
    const { url } = await site.issue({ path: PATH, expires_in: 1 });
    const running = await begin(site, url);
    const isOver = async () => (await site.ask('GET', url, { Range: 'bytes=0-0' })).status === 401;
    await waitFor(isOver, { what: 'the token to end' });
    expect(running.received()).toBeLessThan(LONG.length);
    expect([await running.end, running.received()]).toEqual(['complete', LONG.length]);
  });

  test('ends if the file is replaced', async () => {
    const site = await siteForTest(SLOW);
    const { url } = await site.issue({ path: PATH });
    const running = await begin(site, url);
    await writeFile(join(site.files, 'new'), randomBytes(LONG.length));
    await utimes(join(site.files, 'new'), 1, 1);
    await rename(join(site.files, 'new'), join(site.files, 'big.bin'));
    expect(await running.end).toBe('error');
    expect(await site.nginx.errorLog()).toContain('etag mismatch in slice response');
  });

  test('goes on if the outer block reads nothing for longer than send_timeout', async () => {
    const cut = sliced({ size: undefined, outer: 'limit_rate 40k; send_timeout 1h;' });
    const file = randomBytes(400_000);
    const http = `send_timeout 1s; ${cut.http}`;
    const site = await siteForTest({ ...cut, http, files: { 'big.bin': file } });
    const { url } = await site.issue({ path: PATH });
    const running = await begin(site, url);
    expect([await running.end, running.received()]).toEqual(['complete', file.length]);
  });

  test('goes on after a reload of nginx, and still ends by a revocation', async () => {
    const site = await siteForTest(SLOW);
    const [stays, ends] = [await site.issue({ path: PATH }), await site.issue({ path: PATH })];
    const [whole, cut] = [await begin(site, stays.url), await begin(site, ends.url)];
    await site.nginx.reload();
    await site.postern.store.revoke(ends.id, 'test');
    expect(await cut.end).toBe('error');
    expect([await whole.end, whole.received()]).toEqual(['complete', LONG.length]);
  });

  test('with a limit_rate in its token is as slow as that, and writes no temporary file', async () => {
    const site = await siteForTest({ ...SLOW, ...sliced() });
    const { url } = await site.issue({ path: PATH, limit_rate: 200_000 });
    const running = await begin(site, url);
    const fast = await site.ask('GET', (await site.issue({ path: PATH })).url);
    expect(fast.body.equals(LONG)).toBe(true);
    expect(running.received()).toBeLessThan(LONG.length);
    const folders = (await readdir(site.nginx.dir)).filter((name) => /temp|proxy/.test(name));
    for (const folder of folders) {
      expect(await readdir(join(site.nginx.dir, folder), { recursive: true })).toEqual([]);
    }
  });
});
