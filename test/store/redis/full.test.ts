import { afterAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { StoreUnavailable } from '../../../service/token/store.ts';
import { type Redis, startRedis } from '../../harness/redis.ts';
import { startRedisCluster } from '../../harness/redis-cluster.ts';
import { startRedisSentinel } from '../../harness/redis-sentinel.ts';
import { waitFor } from '../../harness/wait.ts';
import { forTest } from '../../support/for-test.ts';
import { from, grantAt, issueTo, newId } from '../grants.ts';
import { answers, keysOf, startStore, storeOfService, tell } from '../open-redis.ts';

describe('full', async () => {
  const { redis, store } = await startStore({}, afterAll);
  beforeEach(async () => {
    await tell(redis, 'CONFIG SET maxmemory 0');
    await tell(redis, 'FLUSHALL');
  });

  test('Redis full: tokens cannot be issued, but found and revoked', async () => {
    const id = await issueTo(store, { subject: 'u' });
    const before = await keysOf(redis);
    await tell(redis, 'CONFIG SET maxmemory 1');
    const many = Array.from({ length: 10 }, () => {
      return [newId(), grantAt(Date.now(), { subject: 'v' })] as const;
    });
    await expect(store.issue(many)).rejects.toThrow(StoreUnavailable);
    await expect(issueTo(store)).rejects.toThrow(StoreUnavailable);
    await expect(store.check()).rejects.toThrow(StoreUnavailable);
    expect(await keysOf(redis)).toEqual(before);
    expect(await store.find(id)).toBeDefined();
    expect(await store.revoke(id, 'web')).toBe(true);
  });

  test('Redis full: the tokens of a subject can be revoked', async () => {
    await issueTo(store, { subject: 'u' });
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
});

// A Redis that evicts keys opens tokens again: it drops uses, revocations, and entries of an index.

const SETTING = 'CONFIG SET maxmemory-policy noeviction';

function opened(url: string) {
  const service = storeOfService(url, { timeoutMs: 5_000, checkEveryMs: 20 });
  const logged = (pattern: RegExp) => service.parsed().filter(({ msg }) => pattern.test(msg));
  return { ...service, logged };
}

const started = (...args: string[]) => forTest(startRedis({ args }));

const topologies: Record<string, () => Promise<{ url: string; masters: readonly Redis[] }>> = {
  'one server': async () => {
    const redis = await started();
    return { url: redis.url, masters: [redis] };
  },
  Sentinel: async () => {
    const { url, servers, stop } = await startRedisSentinel();
    onTestFinished(stop);
    return { url, masters: servers.slice(0, 1) };
  },
  Cluster: async () => {
    const { url, masters, stop } = await startRedisCluster({ replicas: 0 });
    onTestFinished(stop);
    return { url, masters };
  },
};

test.each(Object.entries(topologies))(
  'eviction: %s with an evicting policy on one master is refused until the policy is changed',
  async (_, start) => {
    const { url, masters } = await start();
    const last = masters.at(-1) as Redis;
    await tell(last, 'CONFIG SET maxmemory-policy allkeys-lru');
    const { store, readyz, logged, metric } = opened(url);
    const isRefused = async () =>
      (await readyz()).detail.includes('maxmemory-policy is allkeys-lru');
    await waitFor(isRefused, { what: 'the refusal' });
    expect(await readyz()).toMatchObject({ status: 503, detail: expect.stringContaining(SETTING) });
    const refusal = { message: expect.stringContaining(SETTING) };
    const id = newId();
    const calls = [
      ...[issueTo(store), store.find(id), store.findTimed(id), store.revoke(id, 'web')],
      store.redeem(id, from(), true),
    ];
    for (const outcome of await Promise.allSettled(calls)) {
      expect(outcome).toMatchObject({ reason: refusal });
    }
    // However often it is checked.
    expect(logged(/maxmemory-policy is allkeys-lru/)).toHaveLength(1);
    expect(logged(/Redis answers/)).toEqual([]);
    expect(await metric('postern_store_up')).toBe(0);
    expect(await metric('postern_store_evicting')).toBe(1);

    await tell(last, SETTING);
    await waitFor(() => logged(/Redis answers/).length > 0, { what: 'the new policy' });
    await answers(store);
    expect(await store.find(await issueTo(store))).toBeDefined();
    expect(await metric('postern_store_evicting')).toBe(0);
  },
);

test.each(Object.entries(topologies))(
  'eviction: a policy of %s that changes later is a warning, and Postern stays ready',
  async (_, start) => {
    const { url, masters } = await start();
    const { store, readyz, logged, metric } = opened(url);
    await waitFor(() => logged(/Redis answers/).length > 0, { what: 'the connection' });
    const last = masters.at(-1) as Redis;
    await tell(last, 'CONFIG SET maxmemory-policy volatile-ttl');
    const warned = /^maxmemory-policy is volatile-ttl/;
    await waitFor(() => logged(warned).length > 0, { what: 'the warning' });
    expect(logged(warned)).toEqual([expect.objectContaining({ level: 40 })]);
    expect(await metric('postern_store_evicting')).toBe(1);
    const { status, warning } = await readyz();
    expect(status).toBe(200);
    expect(warning).toMatch(warned);
    expect(warning).toContain(SETTING);
    expect(await store.find(await issueTo(store))).toBeDefined();

    await tell(last, SETTING);
    const isFixed = async () => (await metric('postern_store_evicting')) === 0;
    await waitFor(isFixed, { what: 'the change' });
    expect((await readyz()).warning).toBe('');
    expect(logged(warned)).toHaveLength(1);
  },
);

// Every key of Postern but a few has a lifetime, so the volatile policies evict them, too.
test.each([
  ...['allkeys-lfu', 'allkeys-random'],
  ...['volatile-lru', 'volatile-lfu', 'volatile-random', 'volatile-ttl'],
])('eviction: %s is refused, although maxmemory is 0', async (policy) => {
  const redis = await started('--maxmemory-policy', policy);
  const { readyz } = opened(redis.url);
  const isRefused = async () => (await readyz()).detail.includes(`maxmemory-policy is ${policy}`);
  await waitFor(isRefused, { what: 'the refusal' });
});

test('eviction: a policy that cannot be read is refused', async () => {
  const redis = await started();
  await tell(redis, 'ACL SETUSER app on >word ~* +@all -info');
  const { store, readyz } = opened(redis.url.replace('//', '//app:word@'));
  const isRefused = async () => (await readyz()).detail.includes('+info');
  await waitFor(isRefused, { what: 'the refusal' });
  await expect(store.find(newId())).rejects.toMatchObject({
    shown: expect.stringContaining('cannot read maxmemory-policy'),
  });
  await tell(redis, 'ACL SETUSER app +info');
  await answers(store);
  expect(await store.find(newId())).toBeUndefined();
});
