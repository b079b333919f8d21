import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Store, StoreUnavailable } from '../../../service/token/store.ts';
import { type Redis, startRedis } from '../../harness/redis.ts';
import { grantAt, newId } from '../grants.ts';
import { keysOf, openRedis, tell } from '../open-redis.ts';

let redis: Redis;
let store: Store;
beforeAll(async () => {
  redis = await startRedis();
  store = await openRedis(redis);
});
beforeEach(async () => {
  await tell(redis, 'CONFIG SET maxmemory 0');
  await tell(redis, 'CONFIG SET maxmemory-policy noeviction');
  await tell(redis, 'FLUSHALL');
});
afterAll(async () => {
  await store.close();
  await redis.stop();
});

test('Redis full: tokens cannot be issued, but found and revoked', async () => {
  const id = newId();
  await store.issue([[id, grantAt(Date.now(), { subject: 'u' })]]);
  const before = await keysOf(redis);
  await tell(redis, 'CONFIG SET maxmemory 1');
  const many = Array.from({ length: 10 }, () => {
    return [newId(), grantAt(Date.now(), { subject: 'v' })] as const;
  });
  await expect(store.issue(many)).rejects.toThrow(StoreUnavailable);
  await expect(store.issue([[newId(), grantAt(Date.now())]])).rejects.toThrow(StoreUnavailable);
  await expect(store.check()).rejects.toThrow(StoreUnavailable);
  expect(await keysOf(redis)).toEqual(before);
  expect(await store.find(id)).toBeDefined();
  expect(await store.revoke(id, 'web')).toBe(true);
});

test('Redis full: the tokens of a subject can be revoked', async () => {
  await store.issue([[newId(), grantAt(Date.now(), { subject: 'u' })]]);
  await tell(redis, 'CONFIG SET maxmemory 1');
  expect(await store.revokeSubject('web', 'u')).toBe(1);
});

test('Redis full: a batch that fails stores nothing', async () => {
  await tell(redis, 'SET postern:subject:{web:broken} x');
  const grants = ['whole', 'broken'].map((subject) => {
    return [newId(), grantAt(Date.now(), { subject })] as const;
  });
  await expect(store.issue(grants)).rejects.toThrow(StoreUnavailable);
  for (const [id] of grants) expect(await store.find(id)).toBeUndefined();
});

test('Redis full: tokens can be listed page by page', async () => {
  const grant = grantAt(Date.now(), { subject: 'u' });
  await store.issue([newId(), newId(), newId()].map((id) => [id, grant]));
  const { next } = await store.list('web', { subject: 'u' }, 2);
  await tell(redis, 'CONFIG SET maxmemory 1');
  expect((await store.list('web', { subject: 'u' }, 2, next)).entries).toHaveLength(1);
});
