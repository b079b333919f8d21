import { connect } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { freePorts } from '../../dev/ports.ts';
import { type Redis, startRedis } from '../../dev/redis.ts';
import { waitFor } from '../../dev/wait.ts';
import type { Grant } from '../../service/domain/grant.ts';
import { type Store, StoreUnavailable } from '../../service/domain/store.ts';
import { storeContract } from './contract.ts';
import { grantAt, newId } from './grants.ts';
import { startHoldingProxy } from './holding-proxy.ts';
import { answers, openedRedis, openRedis, tell } from './open-redis.ts';

const REMEMBER = 1000;

storeContract('Redis that remembers', () => openedRedis({ timeoutMs: 1_000, remember: REMEMBER }));

/** Two instances, of which the first remembers. */
async function twoOf(options: { port?: number; timeoutMs?: number; url?: string } = {}) {
  const redis = await startRedis();
  const proxy = await startHoldingProxy(redis.port);
  const one = await openRedis(redis, {
    timeoutMs: 1_000,
    remember: REMEMBER,
    port: proxy.port,
    ...options,
  });
  const other = await openRedis(redis, { timeoutMs: 5_000 });
  onTestFinished(async () => {
    await one.close();
    await other.close();
    await redis.stop();
  });
  return { redis, proxy, one, other };
}

async function issue(store: Store, more: Partial<Grant> = {}): Promise<string> {
  const id = newId();
  await store.issue([[id, grantAt(Date.now(), more)]]);
  return id;
}

/** How often Redis was asked for grants. */
async function asked(redis: Redis): Promise<number> {
  const stats = await tell(redis, 'INFO commandstats');
  return Number(/cmdstat_mget:calls=(\d+)/.exec(stats)?.[1] ?? 0);
}

/** Whether the store answers by itself. */
async function isRemembered(redis: Redis, store: Store, id: string): Promise<boolean> {
  const before = await asked(redis);
  await store.find(id);
  return (await asked(redis)) === before;
}

async function remembered(redis: Redis, store: Store, id: string): Promise<void> {
  const what = 'it to be remembered';
  await waitFor(() => isRemembered(redis, store, id), { what });
}

async function gone(store: Store, id: string): Promise<void> {
  const what = 'the news to arrive';
  await waitFor(async () => (await store.find(id)) === undefined, { what });
  expect(await store.find(id)).toBeUndefined();
}

test('what is asked for again is no question to Redis, and all its fields are there', async () => {
  const { redis, one } = await twoOf();
  const grant = grantAt(Date.now(), { subject: 'u', uses: { max: 2, resumeFor: 60 } });
  const id = newId();
  await one.issue([[id, grant]]);
  await remembered(redis, one, id);
  expect(await one.find(id)).toStrictEqual(grant);
});

test.each<[string, (store: Store, id: string, redis: Redis) => Promise<unknown>]>([
  ['a revocation', (store, id) => store.revoke(id, 'web')],
  ["its subject's revocation", (store) => store.revokeSubject('web', 'u')],
  ['a JWT that others signed, disowned', (store, id) => store.disown(id, Date.now() + 60_000)],
  ['an earlier end', (store, id) => store.prolong(id, 'web', Date.now() + 1)],
  ['an emptied Redis', (_store, _id, redis) => tell(redis, 'FLUSHALL')],
])('%s by another instance is seen', async (_name, end) => {
  const { redis, one, other } = await twoOf();
  const id = await issue(one, { subject: 'u' });
  await remembered(redis, one, id);
  await end(other, id, redis);
  await gone(one, id);
});

test('a later end by another instance is seen', async () => {
  const { redis, one, other } = await twoOf();
  const id = await issue(one);
  await remembered(redis, one, id);
  const expiresAt = Date.now() + 120_000;
  await other.prolong(id, 'web', expiresAt);
  const later = async () => (await one.find(id))?.expiresAt === expiresAt;
  await waitFor(later, { what: 'the later end' });
});

test.each<[string, (store: Store, id: string) => Promise<unknown>]>([
  ['revocation', (store, id) => store.revoke(id, 'web')],
  ["revocation of its subject's", (store) => store.revokeSubject('web', 'u')],
  ['disowning', (store, id) => store.disown(id, Date.now() + 60_000)],
])('its own %s holds at once, with no news of it', async (_name, end) => {
  const { redis, proxy, one } = await twoOf({ timeoutMs: 2_000 });
  const id = await issue(one, { subject: 'u' });
  await remembered(redis, one, id);
  proxy.hold('told');
  await end(one, id);
  expect(await one.find(id)).toBeUndefined();
});

test('its own prolonging holds at once, with no news of it', async () => {
  const { redis, proxy, one } = await twoOf({ timeoutMs: 2_000 });
  const id = await issue(one);
  await remembered(redis, one, id);
  proxy.hold('told');
  const expiresAt = Date.now() + 120_000;
  await one.prolong(id, 'web', expiresAt);
  expect(await one.find(id)).toMatchObject({ expiresAt });
});

test('what is no grant is asked for each time', async () => {
  const { redis, one } = await twoOf();
  await remembered(redis, one, await issue(one));
  const [revoked, broken] = [newId(), newId()];
  await one.disown(revoked, Date.now() + 60_000);
  await tell(redis, `SET postern:grant:{${broken}} {} PX 60000`);
  for (let i = 0; i < 3; i += 1) {
    const before = await asked(redis);
    expect(await one.recall(revoked)).toBe('revoked');
    expect(await asked(redis)).toBe(before + 1);
    await expect(one.find(broken)).rejects.toBeInstanceOf(StoreUnavailable);
    expect(await asked(redis)).toBe(before + 2);
  }
});

test('a closed store leaves neither of its connections', async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.stop());
  const store = await openRedis(redis, { timeoutMs: 1_000, remember: REMEMBER });
  await remembered(redis, store, await issue(store));
  await store.close();
  // The one that is left asks.
  const isAlone = async () => /connected_clients:1\b/.test(await tell(redis, 'INFO clients'));
  await waitFor(isAlone, { what: 'its connections to end' });
});

test('what was remembered ends in time, with no news of it', async () => {
  const { redis, proxy, one } = await twoOf({ timeoutMs: 2_000 });
  const expiresAt = Date.now() + 1_500;
  const id = await issue(one, { expiresAt });
  await remembered(redis, one, id);
  proxy.hold('told');
  // Redis counts from when it was told.
  await waitFor(() => Date.now() > expiresAt + 200, { what: 'its end' });
  expect(await one.find(id)).toBeUndefined();
});

test('a value that comes after the news of its change is not remembered', async () => {
  const { redis, proxy, one, other } = await twoOf({ timeoutMs: 2_000 });
  const id = await issue(one);
  await remembered(redis, one, await issue(one));
  const before = await asked(redis);
  proxy.hold('asking');
  const late = one.find(id);
  await waitFor(async () => (await asked(redis)) > before, { what: 'Redis to have read it' });
  await other.revoke(id, 'web');
  // The news goes by the connection that is not held: an answer to a PING comes after it.
  const pings = async () =>
    Number(/cmdstat_ping:calls=(\d+)/.exec(await tell(redis, 'INFO commandstats'))?.[1] ?? 0);
  const pinged = await pings();
  await waitFor(async () => (await pings()) > pinged + 1, { what: 'the news to have passed' });
  proxy.release('asking');
  expect(await late).toBeDefined();
  expect(await one.find(id)).toBeUndefined();
});

test('a value that comes after the news that all is gone is not remembered', async () => {
  const { redis, proxy, one } = await twoOf({ timeoutMs: 2_000 });
  const [id, known] = [await issue(one), await issue(one)];
  await remembered(redis, one, known);
  const before = await asked(redis);
  proxy.hold('asking');
  const late = one.find(id);
  await waitFor(async () => (await asked(redis)) > before, { what: 'Redis to have read it' });
  await tell(redis, 'FLUSHALL');
  // What was remembered is asked for again.
  const seen = async () => {
    const earlier = await asked(redis);
    one.find(known).catch(() => {});
    return (await asked(redis)) > earlier;
  };
  await waitFor(seen, { what: 'the news to have arrived' });
  proxy.release('asking');
  expect(await late).toBeDefined();
  expect(await one.find(id)).toBeUndefined();
});

test('where the news does not come through, Redis is asked', async () => {
  const { redis, proxy, one, other } = await twoOf({ timeoutMs: 200 });
  const id = await issue(one);
  await remembered(redis, one, id);
  proxy.hold('told');
  await other.revoke(id, 'web');
  await gone(one, id);
  proxy.release('told');
  await remembered(redis, one, await issue(one));
});

test('news is as old as the question for it, however late the answer came', async () => {
  const timeoutMs = 1_000;
  const { redis, proxy, one, other } = await twoOf({ timeoutMs });
  const id = await issue(one);
  await remembered(redis, one, id);
  proxy.hold('told');
  const held = performance.now();
  const after = (ms: number) => waitFor(() => performance.now() - held > ms, { what: 'its time' });
  await after(0.7 * timeoutMs);
  await proxy.pass('told');
  await other.revoke(id, 'web');
  // The last question was asked within a fifth of the time-out.
  await after(1.25 * timeoutMs);
  expect(await one.find(id)).toBeUndefined();
});

test.each(['pubsub', 'normal'])(
  'a connection that breaks (%s) empties the memory',
  async (type) => {
    const { redis, one, other } = await twoOf();
    const id = await issue(one);
    await remembered(redis, one, id);
    await tell(redis, `CLIENT KILL TYPE ${type} SKIPME yes`);
    await answers(other);
    await other.revoke(id, 'web');
    await answers(one);
    await gone(one, id);
    // And is filled again.
    const next = await issue(other);
    await answers(one);
    await remembered(redis, one, next);
    await other.revoke(next, 'web');
    await gone(one, next);
  },
);

test('behind an address that leads to two servers nothing is remembered', async () => {
  const { redis, proxy, one, other } = await twoOf({ timeoutMs: 200 });
  const elsewhere = await startRedis();
  // So that each id that one of the clients there has is an id of a client here as well.
  const clients = Array.from({ length: 20 }, () => connect(redis.port, '127.0.0.1'));
  onTestFinished(async () => {
    for (const client of clients) client.destroy();
    await elsewhere.stop();
  });
  await remembered(redis, one, await issue(one));
  proxy.moveTo(elsewhere.port);
  await tell(redis, 'CLIENT KILL TYPE pubsub SKIPME yes');
  const isThere = async () => (await tell(elsewhere, 'PUBSUB CHANNELS')).includes('invalidate');
  await waitFor(isThere, { what: 'the one to be told elsewhere' });
  const id = await issue(other);
  // Long enough for it to be asked whether it is there still, which is when it would count as told.
  const moved = performance.now();
  while (performance.now() - moved < 500) expect(await one.find(id)).toBeDefined();
  await other.revoke(id, 'web');
  expect(await one.find(id)).toBeUndefined();
});

test('while the connection that asks is broken, what was remembered is not used', async () => {
  const { redis, proxy, one } = await twoOf();
  const id = await issue(one);
  await remembered(redis, one, id);
  const [nobody = 0] = await freePorts(1);
  proxy.moveTo(nobody);
  proxy.drop('asking');
  const isLost = () =>
    one.check().then(
      () => false,
      () => true,
    );
  await waitFor(isLost, { what: 'it to be lost' });
  // Redis tells nobody of what a client has read that is gone.
  await expect(one.find(id)).rejects.toBeInstanceOf(StoreUnavailable);
});

test('nothing is remembered while the two connections are to two servers', async () => {
  const [old, next] = [await startRedis(), await startRedis()];
  const proxy = await startHoldingProxy(old.port);
  const one = await openRedis(old, { remember: REMEMBER, port: proxy.port });
  const other = await openRedis(next, { timeoutMs: 5_000 });
  // There are as many clients, so that the id of the one that is told is one of them.
  const crowd = Array.from({ length: 50 }, () => connect(next.port, '127.0.0.1'));
  onTestFinished(async () => {
    await one.close();
    await other.close();
    for (const socket of crowd) socket.destroy();
    await old.stop();
    await next.stop();
  });
  await remembered(old, one, await issue(one));
  proxy.moveTo(next.port);
  proxy.drop('asking');
  await answers(one);
  const id = await issue(other);
  const moved = performance.now();
  while (performance.now() - moved < 500) {
    expect(await isRemembered(next, one, id)).toBe(false);
  }
  // And once they are to one again, it is.
  await remembered(next, one, id);
  await other.revoke(id, 'web');
  await gone(one, id);
});

test('a Redis that was too slow to be asked for news is asked again', async () => {
  const redis = await startRedis();
  const proxy = await startHoldingProxy(redis.port);
  proxy.hold('told');
  const timeoutMs = 250;
  const one = await openRedis(redis, { timeoutMs, remember: REMEMBER, port: proxy.port });
  onTestFinished(async () => {
    await one.close();
    await redis.stop();
  });
  const isAsked = async () => (await tell(redis, 'CLIENT LIST')).includes(' sub=1 ');
  await waitFor(isAsked, { what: 'Redis to be asked' });
  const since = performance.now();
  await waitFor(() => performance.now() - since > 2 * timeoutMs, { what: 'it to be too late' });
  proxy.release('told');
  await remembered(redis, one, await issue(one));
});

test('while Redis hangs what was remembered is unavailable in time', async () => {
  const { redis, one } = await twoOf({ timeoutMs: 200 });
  const id = await issue(one);
  await remembered(redis, one, id);
  redis.pause();
  const what = 'the memory to be given up';
  const fails = () =>
    one.find(id).then(
      () => false,
      (error) => error instanceof StoreUnavailable,
    );
  await waitFor(fails, { what });
  redis.resume();
  await answers(one);
  expect(await one.find(id)).toBeDefined();
});

test.each([
  '-client|tracking',
  '-client|caching',
  '-client|id',
  '-subscribe',
  '-ping',
  'resetchannels',
])('a Redis that does not let its clients be told (%s) is asked each time', async (rule) => {
  const redis = await startRedis();
  await tell(redis, `ACL SETUSER p on >pw ~* &* +@all ${rule}`);
  const store = await openRedis(redis, {
    remember: REMEMBER,
    url: `redis://p:pw@127.0.0.1:${redis.port}/0`,
  });
  onTestFinished(async () => {
    await store.close();
    await redis.stop();
  });
  const id = await issue(store);
  // Longer than it takes where it is allowed.
  const since = performance.now();
  while (performance.now() - since < 250) {
    expect(await isRemembered(redis, store, id)).toBe(false);
  }
  await store.revoke(id, 'web');
  expect(await store.find(id)).toBeUndefined();
});
