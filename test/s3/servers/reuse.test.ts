import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { S3_SECRET_KEY } from '../../harness/s3.ts';
import { startHotObjects } from './hot-objects.ts';
import { START_MS, type StorageSite, startStorageSite } from './storage-site.ts';

describe('object store: the decision cache', () => {
  let site: StorageSite;
  const clock = { ahead: 0 };
  beforeAll(async () => {
    site = await startStorageSite(
      { media: { 'videos/a.txt': 'the object' } },
      {
        mode: 'auth_request',
        decisionTtl: 600,
        now: () => Date.now() + clock.ahead,
        http: `
          proxy_cache_path $files/../decisions levels=1:2 keys_zone=postern_decisions:512k;
          map "" $postern_decisions { default postern_decisions; }
          map $upstream_status $postern_not_kept { volatile; default 1; "~(^|[ :])204$" 0; }`,
      },
    );
  }, START_MS);
  afterAll(() => site.stop());

  test('a cached decision has a valid signature, for its own object only', async () => {
    const { url } = await site.issue({ prefix: '/media/', expires_in: 3600 });
    const answers = [];
    for (const name of ['a.txt', 'a.txt', 'no.txt', 'a.txt']) {
      answers.push((await site.ask('GET', url + name)).status);
    }
    expect(answers).toEqual([200, 200, 404, 200]);
    const log = await site.nginx.errorLog();
    expect(log).not.toContain(S3_SECRET_KEY);
  });

  test('a signature that has expired at the storage is a 404', async () => {
    clock.ahead = -120_000;
    const { url } = await site.issue({ path: '/media/a.txt', expires_in: 3600 });
    const answer = await site.ask('GET', url);
    clock.ahead = 0;
    expect([answer.status, JSON.parse(answer.text).code]).toEqual([404, 'not_found']);
  });
});

describe('docs/object-store.md: the cache of hot objects', () => {
  test(
    'hits ask the gate, have no signature in their key, and need a token',
    async () => {
      const hot = await startHotObjects({ media: { 'videos/a b+c.txt': 'the object' } });
      const { site } = hot;
      const name = encodeURIComponent('a b+c.txt');
      const ask = async (url: string, headers = {}) => {
        const { status, text } = await site.ask('GET', url, headers);
        return [status, text];
      };
      const first = await site.issue({ prefix: '/media/' });
      expect(await ask(first.url + name)).toEqual([200, 'the object']);
      // From now on, only the cache can answer.
      await site.s3.stop();
      const second = await site.issue({ path: '/media/a b+c.txt', max_uses: 1 });
      expect(await ask(second.url)).toEqual([200, 'the object']);
      expect(await ask(first.url + name, { Range: 'bytes=4-' })).toEqual([206, 'object']);
      expect(hot.decided).toBe(3);
      expect((await ask(`/media/${name}`))[0]).toBe(401);
      expect((await ask(`/s3-media/${name}`))[0]).toBe(404);
      await site.postern.api.request(`/tokens/${first.id}`, {
        method: 'DELETE',
        headers: { authorization: 'Bearer a-key-for-the-tests-only' },
      });
      expect((await ask(first.url + name))[0]).toBe(401);
    },
    START_MS,
  );
});
