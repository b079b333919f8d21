import type { RequestListener } from 'node:http';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { createRedisStore } from '../../service/store/redis/redis.ts';
import { type Redis, startRedis } from '../harness/redis.ts';
import { waitFor } from '../harness/wait.ts';
import { listening } from '../support/postern.ts';
import { modes, type Site, startSite } from '../support/site.ts';

const FILE = 'file a';

/** The gate writes the page. Without it, nginx has a sentence. */
async function unavailable(site: Site, url: string, type = 'text/html; charset=utf-8') {
  const [answer, page] = await Promise.all([
    site.ask('GET', url, { Accept: 'video/*, */*;q=0.5' }),
    site.ask('GET', url, { Accept: 'text/html,application/xhtml+xml,*/*;q=0.8' }),
  ]);
  expect([answer.status, page.status]).toEqual([503, 503]);
  expect([answer.header('Retry-After'), page.header('Retry-After')]).toEqual(['5', '5']);
  expect(answer.header('Content-Type')).toBe('application/problem+json');
  expect(JSON.parse(answer.text)).toMatchObject({ status: 503, code: 'unavailable' });
  expect(page.header('Content-Type')).toBe(type);
  expect(page.text).toMatch(/try again/i);
}

async function recovers(site: Site, url: string): Promise<void> {
  const answer = await waitFor(
    async () => {
      const tried = await site.ask('GET', url);
      return tried.status !== 503 && tried;
    },
    { what: 'the file to be delivered again' },
  );
  expect([answer.status, answer.text]).toEqual([200, FILE]);
}

describe.each(modes)('fail closed: Redis fails by %s', (mode) => {
  let redis: Redis;
  let site: Site;
  beforeAll(async () => {
    redis = await startRedis();
    const store = createRedisStore({ url: redis.url, prefix: 'postern:', timeoutMs: 250 });
    site = await startSite({ mode, store, files: { 'a.mp4': FILE } });
    await waitFor(() => store.check().then(Boolean, () => false), { what: 'the store' });
  });
  afterAll(() => Promise.all([site.stop(), redis.stop()]));

  test('paused, then back', async () => {
    const { url } = await site.issue({ path: '/download/a.mp4' });
    await recovers(site, url);
    redis.pause();
    await unavailable(site, url);
    redis.resume();
    await recovers(site, url);
  });

  test('stopped, then back without the tokens', async () => {
    const { url } = await site.issue({ path: '/download/a.mp4' });
    await redis.stop();
    await unavailable(site, url);
    await redis.restart();
    const forgotten = await waitFor(
      async () => {
        const tried = await site.ask('GET', url);
        return tried.status !== 503 && tried.status;
      },
      { what: 'Redis to be back' },
    );
    expect(forgotten).toBe(401);
  });
});

describe.each(modes)('fail closed: the service fails by %s', (mode) => {
  test('stopped, then back', async () => {
    const site = await startSite({ mode, files: { 'a.mp4': FILE } });
    onTestFinished(site.stop);
    const { url } = await site.issue({ path: '/download/a.mp4' });
    await recovers(site, url);
    await site.gate.stop();
    await unavailable(site, url, 'text/plain');
    const again = await listening(site.postern.gate, site.gate.port);
    onTestFinished(again.stop);
    await recovers(site, url);
  });

  test('hanging, then back', async () => {
    let hangs = true;
    let real: RequestListener = () => {};
    const gate: RequestListener = (...both) => {
      if (!hangs) real(...both);
    };
    const site = await startSite({ mode, gate, files: { 'a.mp4': FILE } });
    onTestFinished(site.stop);
    real = site.postern.gate;
    const { url } = await site.issue({ path: '/download/a.mp4' });
    await unavailable(site, url, 'text/plain');
    hangs = false;
    await recovers(site, url);
  });

  test('an unexpected error of the store', async () => {
    const broken = () => Promise.reject(new Error('secret detail'));
    const site = await startSite({ mode, files: { 'a.mp4': FILE } });
    onTestFinished(site.stop);
    const { url } = await site.issue({ path: '/download/a.mp4' });
    site.postern.store.find = broken;
    await unavailable(site, url);
    expect((await site.ask('GET', url)).text).not.toContain('secret');
  });
});
