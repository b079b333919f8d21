import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Redis, startRedis } from '../harness/redis.ts';
import { openRedis } from '../store/open-redis.ts';
import { modes, type Site, startSite } from '../support/site.ts';

const PURPOSES = [
  { 'Sec-Purpose': 'prefetch' },
  { 'Sec-Purpose': 'prefetch;prerender' },
  { Purpose: 'prefetch' },
];

// A browser declares a prefetch. It could take the use although the user never opens the file.
describe.each(modes)('prefetch: denied for a token with max_uses by %s', (mode) => {
  let redis: Redis;
  let site: Site;
  beforeAll(async () => {
    redis = await startRedis();
    const store = await openRedis(redis);
    site = await startSite({ mode, store, files: { a: 'hello' } });
  });
  afterAll(async () => {
    await site.stop();
    await redis.stop();
  });

  test.each(PURPOSES)('%j takes no use, before and after the first one', async (headers) => {
    const { id, url } = await site.issue({ path: '/download/a', max_uses: 1 });
    async function refused(): Promise<void> {
      for (const method of ['GET', 'HEAD']) {
        expect((await site.ask(method, url, headers)).status).toBe(403);
      }
      expect(JSON.parse((await site.ask('GET', url, headers)).text)).toMatchObject({
        code: 'prefetch',
      });
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
