import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Redis, startRedis } from '../../dev/redis.ts';
import type { Store } from '../../service/domain/store.ts';
import { createPostern, issueToken } from '../support/postern.ts';
import { grantAt, newId } from './contract.ts';
import { keysOf, openRedis, tell } from './open-redis.ts';

let redis: Redis;
let store: Store;
beforeAll(async () => {
  redis = await startRedis();
  store = await openRedis(redis);
});
beforeEach(async () => void (await tell(redis, 'FLUSHALL')));
afterAll(async () => {
  await store.close();
  await redis.stop();
});

test('Redis never sees a token, only its id', async () => {
  const { api } = createPostern({ store });
  const seen = [];
  for (const body of [{ path: '/download/a', subject: 'u' }, { prefix: '/download/' }]) {
    seen.push(await issueToken(api, body));
  }
  const keys = await keysOf(redis);
  expect(keys).toEqual(
    [...seen.map(({ id }) => `postern:grant:${id}`), 'postern:subject:test:u'].sort(),
  );
  let all = keys.join();
  for (const key of keys) {
    all += await tell(redis, key.includes(':grant:') ? `GET ${key}` : `ZRANGE ${key} 0 -1`);
  }
  expect(all).toContain(seen[0]?.id);
  for (const { access_token: token } of seen) expect(all).not.toContain(token.slice(3, 15));
});

test('every key has the prefix, and ends by itself', async () => {
  const other = await openRedis(redis, { prefix: 'other:' });
  const id = newId();
  const expiresAt = Date.now() + 30_000;
  await other.issue([[id, grantAt(Date.now(), { subject: 'u', expiresAt })]]);
  const keys = await keysOf(redis);
  expect(keys).toEqual([`other:grant:${id}`, 'other:ready', 'other:subject:web:u']);
  for (const key of keys) {
    expect(Number((await tell(redis, `PTTL ${key}`)).slice(1))).toBeGreaterThan(0);
  }
  expect(await store.find(id)).toBeUndefined();
  expect(await store.revokeSubject('web', 'u')).toBe(0);
  await other.close();
});

test('the index lives as long as the longest of its grants', async () => {
  const issue = (ms: number, id = newId()) =>
    store.issue([[id, grantAt(now, { subject: 'u', expiresAt: now + ms })]]);
  const now = Date.now();
  // To ten seconds: its time is counted from when Redis is told.
  const end = async () => {
    const at = Number((await tell(redis, 'PEXPIRETIME postern:subject:web:u')).slice(1));
    return Math.round((at - now) / 10_000) * 10;
  };
  await issue(20_000);
  await issue(10_000);
  expect(await end()).toBe(80);
  const id = newId();
  await issue(30_000, id);
  expect(await end()).toBe(90);
  await store.prolong(id, 'web', now + 40_000);
  await store.prolong(id, 'web', now + 5_000);
  expect(await end()).toBe(100);
  // Never earlier than the grant itself, even if Redis fails in between.
  expect(await tell(redis, `ZSCORE postern:subject:web:u ${id}`)).toContain(`${now + 40_000}`);
});

test('an index that was lost ends by itself too, once it is made again', async () => {
  const id = newId();
  await store.issue([[id, grantAt(Date.now(), { subject: 'u' })]]);
  await tell(redis, 'DEL postern:subject:web:u');
  await store.prolong(id, 'web', Date.now() + 90_000);
  expect(Number((await tell(redis, 'PTTL postern:subject:web:u')).slice(1))).toBeGreaterThan(0);
  expect(await store.revokeSubject('web', 'u')).toBe(1);
});

test('entries of what has ended do not pile up', async () => {
  const now = Date.now();
  const live = newId();
  await store.issue([[live, grantAt(now, { subject: 'u' })]]);
  const before = await openRedis(redis, { now: () => now - 2 * 3_600_000 });
  const expired = Array.from({ length: 100 }, newId);
  const grant = grantAt(now, { subject: 'u', expiresAt: now - 2 * 3_600_000 + 1 });
  await before.issue(expired.map((id) => [id, grant]));
  await before.close();
  expect(await tell(redis, 'ZCARD postern:subject:web:u')).toBe(':101');
  const next = newId();
  await store.issue([[next, grantAt(now, { subject: 'u' })]]);
  expect(await tell(redis, 'ZCARD postern:subject:web:u')).toBe(':2');

  expect(await store.revokeSubject('web', 'u')).toBe(2);
  expect(await keysOf(redis)).not.toContain('postern:subject:web:u');
});

test('entries that are swept meanwhile hide none of a subject’s live grants', async () => {
  const now = Date.now();
  const past = grantAt(now, { subject: 'u', expiresAt: now - 2 * 3_600_000 + 1 });
  const issue = (grant: typeof past, count: number, to = store) =>
    to.issue(Array.from({ length: count }, () => [newId(), grant]));
  await issue(grantAt(now, { subject: 'u' }), 700);
  const before = await openRedis(redis, { now: () => now - 2 * 3_600_000 });
  await issue(past, 700, before);
  await before.close();
  const revoking = store.revokeSubject('web', 'u');
  await issue(grantAt(now, { subject: 'u', expiresAt: now + 90_000 }), 1);
  expect(await revoking).toBeGreaterThanOrEqual(700);
  const grants = (await keysOf(redis)).filter((key) => key.includes(':grant:'));
  expect(grants.length).toBeLessThanOrEqual(1);
});
