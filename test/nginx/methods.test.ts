import { afterAll, describe, expect, test } from 'vitest';
import { type Redis, startRedis } from '../harness/redis.ts';
import { openRedis } from '../store/open-redis.ts';
import { openRaw, requestBytes } from '../support/raw.ts';
import { modes, useSite } from '../support/site.ts';

const BODIES = { none: '', small: 'a=1', '1 KB': 'x'.repeat(1024), '100 KB': 'x'.repeat(100_000) };
const METHODS = ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND', 'MADEUP'];

describe.each(modes)('methods: other than GET and HEAD by %s', (mode) => {
  let url: string;
  const site = useSite({ mode, files: { 'a.txt': 'hello' } }, async () => {
    url = (await site.issue({ path: '/download/a.txt' })).url;
  });

  // body.test.ts tests bodies above 1k by X-Accel.
  const bodies = Object.entries(BODIES).filter(([, { length }]) => {
    return mode === 'auth_request' || length <= 1024;
  });
  describe.each(bodies)('with a body: %s', (_, body) => {
    test.each(METHODS)('%s is denied, and the connection stays usable', async (method) => {
      const connection = await openRaw(site.nginx.port);
      const length = { 'Content-Length': String(body.length) };
      const send = (target: string) =>
        connection.send(requestBytes(method, target, length, body), method);

      const withToken = await send(url);
      const without = await send('/download/a.txt');
      const after = await connection.send(requestBytes('GET', url));
      connection.close();

      expect([withToken.status, without.status]).toEqual([403, 401]);
      expect(JSON.parse(withToken.text)).toMatchObject({ code: 'insufficient_scope' });
      expect([after.status, after.text]).toEqual([200, 'hello']);
    });
  });

  test('a chunked body is denied', async () => {
    const connection = await openRaw(site.nginx.port);
    const chunked = { 'Transfer-Encoding': 'chunked' };
    const body = '3\r\nabc\r\n0\r\n\r\n';
    const denied = await connection.send(requestBytes('POST', url, chunked, body));
    const after = await connection.send(requestBytes('GET', url));
    connection.close();
    expect([denied.status, after.status]).toEqual([403, 200]);
  });

  test('a GET with a body is allowed', async () => {
    const answer = await site.ask('GET', url, { 'Content-Length': '3' }, 'a=1');
    expect([answer.status, answer.text]).toEqual([200, 'hello']);
  });
});

const PURPOSES = [
  { 'Sec-Purpose': 'prefetch' },
  { 'Sec-Purpose': 'prefetch;prerender' },
  { Purpose: 'prefetch' },
];

// A browser declares a prefetch. It could take the use although the user never opens the file.
describe.each(modes)('prefetch: denied for a token with max_uses by %s', (mode) => {
  let redis: Redis;
  const site = useSite(async () => {
    redis = await startRedis();
    return { mode, store: await openRedis(redis), files: { a: 'hello' } };
  });
  afterAll(() => redis.stop());

  test.each(PURPOSES)('%j takes no use, before and after the first one', async (headers) => {
    const { id, url } = await site.issue({ path: '/download/a', max_uses: 1 });
    async function refused(): Promise<void> {
      for (const method of ['GET', 'HEAD']) {
        expect((await site.ask(method, url, headers)).status).toBe(403);
      }
      const { text } = await site.ask('GET', url, headers);
      expect(JSON.parse(text)).toMatchObject({ code: 'prefetch' });
    }
    const spent = async () => (await site.postern.store.requesters(id)).length;

    await refused();
    expect(await spent()).toBe(0);
    expect((await site.ask('GET', url)).text).toBe('hello');
    expect(await spent()).toBe(1);
    await refused();
    expect(await spent()).toBe(1);
    expect((await site.ask('GET', url)).text).toBe('hello');
    const codes = async () => [
      ...(await site.log()).matchAll(new RegExp(`"${id}".*"code":"(\\w+)"`, 'g')),
    ];
    await expect
      .poll(async () => (await codes()).map(([, code]) => code))
      .toEqual([...Array(3).fill('prefetch'), 'allow', ...Array(3).fill('prefetch'), 'allow']);
  });

  test('a token without max_uses may be prefetched', async () => {
    const { url } = await site.issue({ path: '/download/a' });
    for (const headers of PURPOSES) expect((await site.ask('GET', url, headers)).status).toBe(200);
  });
});
