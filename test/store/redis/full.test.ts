import { expect, test } from 'vitest';
import { StoreUnavailable } from '../../../service/token/store.ts';
import { type Redis, startRedis } from '../../harness/redis.ts';
import { startRedisCluster } from '../../harness/redis-cluster.ts';
import { waitFor } from '../../harness/wait.ts';
import { forTest } from '../../support/for-test.ts';
import { from, grantAt, issueTo, newId } from '../../support/store/grants.ts';
import {
  answers,
  keysOf,
  startStore,
  storeOfService,
  tell,
} from '../../support/store/open-redis.ts';

const U = { subject: 'u' };

test('Redis full: no token can be issued, but tokens can be found, listed and revoked', async () => {
  const { redis, store } = await startStore();
  const issue = (count: number) => {
    const entries = Array.from({ length: count }, () => [newId(), grantAt(Date.now(), U)] as const);
    return store.issue(entries).then(() => entries.map(([id]) => id));
  };
  const [id = ''] = await issue(4);
  const before = await keysOf(redis);
  const { next } = await store.list('web', U, 2);
  await tell(redis, 'CONFIG SET maxmemory 1');
  for (const failing of [() => issue(1), () => issue(10), store.check]) {
    await expect(failing()).rejects.toThrow(StoreUnavailable);
  }
  expect(await keysOf(redis)).toEqual(before);
  expect((await store.find(id)).grant).toBeDefined();
  expect((await store.list('web', U, 10, next)).entries).toHaveLength(2);
  expect(await store.revoke(id, 'web')).toBe(true);
  expect(await store.revokeAll('web', { subject: 'u' })).toBe(3);
});

test('Redis full: JWTs can be revoked, and tokens can be shortened', async () => {
  const { redis, store } = await startStore();
  const [id, used, unused] = [await issueTo(store), newId(), newId()];
  const until = Date.now() + 60_000;
  await store.saveExternal(used, grantAt(Date.now(), { external: true }));
  await tell(redis, 'CONFIG SET maxmemory 1');
  const earlier = Date.now() + 30_000;
  expect(await store.prolong(id, 'web', earlier)).toMatchObject({ expiresAt: earlier });
  expect(await store.revoke(used, 'web')).toBe(true);
  await store.revokeExternal(unused, until);
  for (const one of [used, unused]) expect(await store.find(one)).toEqual({ isRevoked: true });
  const signed = { subjectId: newId(), issuedAt: 1 };
  await store.revokeSigned(signed.subjectId, 5, 60_000);
  expect(await store.find(newId(), signed)).toEqual({ isRevoked: true });
});

// A Redis that evicts keys opens tokens again: it drops uses, revocations, and entries of an index.

const SETTING = 'CONFIG SET maxmemory-policy noeviction';

function opened(url: string) {
  const service = storeOfService(url, { timeoutMs: 5_000, checkEveryMs: 20 });
  const logged = (pattern: RegExp) => service.parsed().filter(({ msg }) => pattern.test(msg));
  return { ...service, logged };
}

const started = () => forTest(startRedis());

const topologies: Array<[string, () => Promise<{ url: string; masters: readonly Redis[] }>]> = [
  [
    'one server',
    async () => {
      const redis = await started();
      return { url: redis.url, masters: [redis] };
    },
  ],
  ['Cluster', () => forTest(startRedisCluster({ replicas: 0 }))],
];

test.each(topologies)(
  'eviction: %s with an evicting policy on one master is refused until that is changed, and a later one is a warning',
  async (_, start) => {
    const { url, masters } = await start();
    const set = (policy: string) =>
      tell(masters.at(-1) as Redis, `CONFIG SET maxmemory-policy ${policy}`);
    await set('allkeys-lru');
    const { store, readyz, logged, metric } = opened(url);
    const isRefused = async () =>
      (await readyz()).detail.includes('maxmemory-policy is allkeys-lru');
    await waitFor(isRefused, { what: 'the refusal' });
    expect(await readyz()).toMatchObject({ status: 503, detail: expect.stringContaining(SETTING) });
    const refusal = { message: expect.stringContaining(SETTING) };
    const id = newId();
    const calls = [
      ...[issueTo(store), store.find(id), store.find(id, 'timed'), store.revoke(id, 'web')],
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

    await set('noeviction');
    await expect.poll(() => logged(/Redis answers/)).not.toHaveLength(0);
    await answers(store);
    expect((await store.find(await issueTo(store))).grant).toBeDefined();
    expect(await metric('postern_store_evicting')).toBe(0);

    await set('volatile-ttl');
    const warned = /^maxmemory-policy is volatile-ttl/;
    await expect.poll(() => logged(warned), { message: 'the warning' }).not.toHaveLength(0);
    expect(logged(warned)).toEqual([expect.objectContaining({ level: 40 })]);
    expect(await metric('postern_store_evicting')).toBe(1);
    const { status, warning } = await readyz();
    expect(status).toBe(200);
    expect(warning).toMatch(warned);
    expect(warning).toContain(SETTING);
    expect((await store.find(await issueTo(store))).grant).toBeDefined();

    await set('noeviction');
    await expect.poll(() => metric('postern_store_evicting'), { message: 'the change' }).toBe(0);
    expect((await readyz()).warning).toBe('');
    expect(logged(warned)).toHaveLength(1);
  },
);

// Every key of Postern but a few has a lifetime, so the volatile policies evict them, too.
test('eviction: each evicting policy is refused, although maxmemory is 0', async () => {
  const redis = await started();
  await tell(redis, 'CONFIG SET maxmemory-policy allkeys-lru');
  const { readyz } = opened(redis.url);
  for (const policy of [
    ...['allkeys-lfu', 'allkeys-random'],
    ...['volatile-lru', 'volatile-lfu', 'volatile-random', 'volatile-ttl'],
  ]) {
    await tell(redis, `CONFIG SET maxmemory-policy ${policy}`);
    const isRefused = async () => (await readyz()).detail.includes(`maxmemory-policy is ${policy}`);
    await waitFor(isRefused, { what: `the refusal of ${policy}` });
  }
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
  expect((await store.find(newId())).grant).toBeUndefined();
});
