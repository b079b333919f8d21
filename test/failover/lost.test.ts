import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import type { RedisStoreOptions } from '../../service/store/connection/connection.ts';
import { type Store, Unacknowledged } from '../../service/token/store.ts';
import { type Redis, startRedis } from '../harness/redis.ts';
import { waitFor } from '../harness/wait.ts';
import { keptLog } from '../support/ask-api.ts';
import { startGate } from '../support/ask-gate.ts';
import { serviceForTest } from '../support/ask-service.ts';
import { folderForTest, forTest } from '../support/for-test.ts';
import { issueToken } from '../support/postern.ts';
import { from, grantAt, issueTo, newId } from '../support/store/grants.ts';
import {
  answers,
  expectOneReconnection,
  storeAt,
  tell,
  whyOf,
} from '../support/store/open-redis.ts';
import { startHoldingProxy } from '../support/store/proxies.ts';

setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');

const started = (args: string[] = []) => forTest(startRedis({ args }));

/** A store that reaches Redis by a proxy, and a grant in it. */
async function throughProxy(redis: Redis, options: Partial<RedisStoreOptions> = {}) {
  const proxy = await startHoldingProxy(redis.port);
  // The shortest time after which a silent connection counts as lost.
  const usual = { timeoutMs: 1_000 };
  const opened = storeAt(`redis://127.0.0.1:${proxy.port}/0`, { ...usual, ...options });
  await answers(opened.store);
  return { proxy, ...opened, id: await issueTo(opened.store) };
}

const isLost = (states: readonly string[]) =>
  expect.poll(() => states, { message: 'the loss' }).toContainEqual(expect.stringMatching(/^down/));

const isFound = async (store: Store, id: string) =>
  (await store.find(id).catch(() => undefined))?.grant !== undefined;

/** From now on, the second server has every key of the first. */
async function follow(replica: Redis, master: Redis): Promise<void> {
  await tell(replica, `REPLICAOF 127.0.0.1 ${master.port}`);
  await expect.poll(() => tell(replica, 'INFO replication')).toContain('link_status:up');
}

/** A master and its replica. */
async function pair(): Promise<[master: Redis, replica: Redis]> {
  const [master, replica] = [await started(), await started()];
  await follow(replica, master);
  return [master, replica];
}

test('Redis lost: a silent connection is replaced while requests arrive', async () => {
  const { proxy, store, id } = await throughProxy(await started());
  proxy.swallow();
  await expect(store.find(id)).rejects.toThrow();
  await waitFor(() => isFound(store, id), { what: 'a new connection' });
  expect(proxy.connections()).toBe(2);
});

test('Redis lost: a silent connection is replaced without any request, at a new address', async () => {
  const [one, other] = [await started(), await started()];
  const { proxy, store, states } = await throughProxy(one);
  proxy.moveTo(other.port);
  proxy.swallow();
  await isLost(states);
  await expect.poll(() => states.at(-1), { message: 'the new address' }).toBe('up');
  expect(await tell(other, 'EXISTS postern:ready')).toBe(':1');
  await store.check();
  await expectOneReconnection(states, [other]);
});

test('Redis lost: commands on a silent connection do not use more and more memory', async () => {
  const { proxy, store } = await throughProxy(await started(), { timeoutMs: 250 });
  proxy.hold(/./);
  // The new connection is silent, too.
  const grant = grantAt(Date.now(), { filename: 'x'.repeat(10_000) });
  let failed = 0;
  const issue = () =>
    store.issue([[newId(), grant]]).catch(() => {
      failed += 1;
    });
  const heap = async () => {
    await Promise.all(Array.from({ length: 100 }, issue));
    collect();
    return process.memoryUsage().heapUsed;
  };
  const before = await heap();
  for (let i = 0; i < 40; i += 1) await heap();
  expect((await heap()) - before).toBeLessThan(20e6);
  expect(failed).toBe(4200);
});

test.each([1000, 3_600_000])(
  'Redis: an idle connection is kept and reported once, checked every %i ms',
  async (checkEveryMs) => {
    const { proxy, states } = await throughProxy(await started(), {
      checkEveryMs,
      timeoutMs: 2_000,
    });
    const began = performance.now();
    // Longer than a reply may take on a connection that is in use.
    await waitFor(() => performance.now() - began > 2500, { what: 'time to pass' });
    expect(proxy.connections()).toBe(1);
    expect(states).toEqual(['up']);
  },
);

test('Redis failover: a master that becomes a replica is not asked, and its successor is found', async () => {
  const [old, successor] = await pair();
  const { proxy, store, states, id } = await throughProxy(old);
  await expect.poll(() => tell(successor, 'DBSIZE'), { message: 'the grant there' }).not.toBe(':0');
  await tell(successor, 'REPLICAOF NO ONE');
  await follow(old, successor);
  // Without a write request, Postern still detects that the server accepts no writes.
  await isLost(states);
  await expect(store.find(id)).rejects.toMatchObject({
    shown: expect.stringContaining('READONLY'),
  });
  proxy.moveTo(successor.port);
  await answers(store);
  expect((await store.find(id)).grant).toBeDefined();
  expect(await store.revoke(id, 'web')).toBe(true);
});

test('Redis failover: no answer of a replica is used', async () => {
  const [master, replica] = [await started(), await started()];
  const { store: atMaster, id } = await throughProxy(master);
  await atMaster.check();
  await follow(replica, master);
  const proxy = await startHoldingProxy(replica.port);
  const { store } = storeAt(`redis://127.0.0.1:${proxy.port}/0`, { timeoutMs: 250 });
  let asked = 0;
  let found = 0;
  while (proxy.connections() < 4) {
    const all = [store.find(id), store.find(id, 'timed')];
    for (const { status } of await Promise.allSettled(all)) {
      asked += 1;
      if (status === 'fulfilled') found += 1;
    }
    await turn();
  }
  expect(found).toBe(0);
  expect(asked).toBeGreaterThan(100);
});

test('Redis: a replica that follows later acknowledges, although the replication ID is new', async () => {
  const [master, replica] = [await started(), await started()];
  const { store: another, id } = await throughProxy(master);
  const { store } = storeAt(master.url, { timeoutMs: 1_000, replicas: 1 });
  const outcome = () => store.revoke(id, 'web').then(String, ({ message }: Error) => message);
  const isCounted = async () => (await outcome()).startsWith('0 of 1');
  await waitFor(isCounted, { what: 'the second connection' });
  await follow(replica, master);
  await expect.poll(() => outcome(), { message: 'the acknowledgment' }).toBe('false');
  expect((await another.find(id)).grant).toBeUndefined();
});

const FENCE = ['--min-replicas-to-write', '1', '--min-replicas-max-lag', '2'];
const LACKS = { shown: expect.stringContaining('NOREPLICAS') };

// Another master may have revocations that this one lacks.
test('replicas: a master that has lost its replicas denies look-ups, also if it is full, until they are back', async () => {
  const [master, replica] = [await started(FENCE), await started()];
  await follow(replica, master);
  const { store } = storeAt(master.url, { timeoutMs: 1_000 });
  await answers(store);
  const id = await issueTo(store, { expiresAt: Date.now() + 600_000 });
  await tell(master, 'CONFIG SET maxmemory 1');
  await expect.poll(() => whyOf(store), { message: 'no memory' }).toContain('OOM');
  expect((await store.find(id)).grant).toBeDefined();
  replica.pause();
  await expect.poll(() => whyOf(store), { message: 'the fence' }).toContain('NOREPLICAS');
  await expect(store.find(id)).rejects.toMatchObject(LACKS);
  await expect(store.find(id, 'timed')).rejects.toMatchObject(LACKS);
  replica.resume();
  await expect.poll(() => whyOf(store), { message: 'the replica' }).toContain('OOM');
  expect((await store.find(id)).grant).toBeDefined();
});

test.each([0, 1])(
  'replicas: a master without memory acknowledges a revocation, if it has the key of %i earlier acknowledgments, and never without its replica',
  async (earlier) => {
    const [master, replica] = await pair();
    const { store } = storeAt(master.url, { timeoutMs: 1_000, replicas: 1 });
    await expect.poll(() => whyOf(store), { message: 'the replica' }).toBe('ok');
    const ids = [await issueTo(store), await issueTo(store)];
    if (earlier === 0) await tell(master, 'DEL postern:acknowledged');
    await tell(master, 'CONFIG SET maxmemory 1');
    const revoke = (id = '') =>
      store.revoke(id, 'web').then(String, ({ message }: Error) => message);
    expect(await revoke(ids[0])).toMatch(earlier === 0 ? /out of memory/ : /^true$/);
    replica.pause();
    expect(await revoke(ids[1])).toMatch(earlier === 0 ? /out of memory/ : /^0 of 1 replicas/);
  },
);

test('Redis: LOADING is reported, and the first call afterwards succeeds', async () => {
  const folder = await folderForTest();
  const slow = ['--key-load-delay', '1000', '--loading-process-events-interval-bytes', '1024'];
  const redis = await started(['--dir', folder, '--save', '3600 1', ...slow]);
  const { store, states, id } = await throughProxy(redis);
  await store.issue(Array.from({ length: 3000 }, () => [newId(), grantAt(Date.now())] as const));
  await tell(redis, 'SAVE');
  await redis.restart();
  await expect.poll(() => whyOf(store), { message: 'loading' }).toContain('LOADING');
  await expect.poll(() => tell(redis, 'INFO persistence')).toContain('\nloading:0');
  expect((await store.find(id)).grant).toBeDefined();
  await expect.poll(() => states.at(-1), { message: 'the next check' }).toBe('up');
  await expectOneReconnection(states, [redis]);
});

test('replicas: without one the service answers 503, and a repetition is acknowledged', async () => {
  const [master, replica] = await pair();
  const { api, gate, issue, metric } = await serviceForTest({
    POSTERN_STORE: master.url,
    POSTERN_STORE_REPLICAS: '1',
    POSTERN_STORE_TIMEOUT_MS: '700',
  });
  const download = async (url: string, address: string) =>
    (await gate(url, { 'X-Real-IP': address })).status;
  const [plain, counted] = [await issue(), await issue({ path: '/download/a', max_uses: 1 })];
  const ready = { store: 'server', masters: 1, answering: 1, replicas: 1, wanted: 1 };
  expect(await api('GET /readyz')).toEqual({ status: 200, body: { status: 'ok', ...ready } });

  replica.pause();
  expect(await download(plain.url, '192.0.2.1')).toBe(204);
  const applied = { detail: 'Applied, but replicas have not acknowledged it: repeat the request.' };
  expect(await api(`DELETE /tokens/${plain.id}`)).toMatchObject({ status: 503, body: applied });
  expect(await download(plain.url, '192.0.2.1')).toBe(401);
  // The use is taken, but opens nothing before it is acknowledged.
  for (let i = 0; i < 2; i += 1) expect(await download(counted.url, '192.0.2.1')).toBe(503);
  expect(await download(counted.url, '192.0.2.2')).toBe(401);
  const detail = '0 of 1 replicas acknowledged in time';
  expect(await api('GET /readyz')).toMatchObject({ status: 503, body: { ...ready, detail } });

  replica.resume();
  const isAcknowledged = async () => (await api(`DELETE /tokens/${plain.id}`)).status === 404;
  await waitFor(isAcknowledged, { what: 'the acknowledgment' });
  await expect.poll(async () => (await api('GET /readyz')).status).toBe(200);
  expect(await download(counted.url, '192.0.2.1')).toBe(204);
  const series = 'postern_store_acknowledgments_total{result="unacknowledged"}';
  expect(await metric(series)).toBeGreaterThan(1);
});

test('pin: without replicas, a wrong one counts and gets 503, and the lock is not hidden by a 503', async () => {
  const [master, replica] = await pair();
  const { store } = storeAt(master.url, { timeoutMs: 700, replicas: 1 });
  await expect.poll(() => whyOf(store), { message: 'the replica' }).toBe('ok');
  const { log, parsed } = keptLog();
  const { api, confirm } = await startGate({ store, log });
  const issue = () => issueToken(api, { path: '/download/a', confirm: true, pin: '4711' });
  const [guessed, known] = [await issue(), await issue()];
  replica.pause();
  const enter = async (url: string, pin: string, address = '192.0.2.1') => {
    const { status, headers } = await confirm(url, { 'X-Real-IP': address }, `pin=${pin}`);
    return headers['postern-reason'] ?? status;
  };
  for (let i = 0; i < 10; i += 1) expect(await enter(guessed.url, 'wrong')).toBe('unavailable');
  expect(await enter(guessed.url, 'wrong')).toBe('invalid_token');
  expect(parsed().filter(({ by }) => by === 'pin')).toHaveLength(1);
  // Its use is what replicas must acknowledge.
  for (let i = 0; i < 11; i += 1) expect(await enter(known.url, '4711')).toBe('unavailable');
  replica.resume();
  await expect.poll(() => enter(known.url, '4711')).toBe('confirmed');
});

// A requester that gets the file must still be the only one after a failover.
test.each([
  ['its address', false],
  ['its cookie', true],
])(
  'replicas: a requester known by %s is acknowledged once, and not before',
  async (_, byCookie) => {
    const [master, replica] = await pair();
    const { store } = storeAt(master.url, { timeoutMs: 1_000, replicas: 1 });
    await answers(store);
    const uses = { max: 1, resumeFor: 600, ...(byCookie && { cookieOnly: true as const }) };
    const id = await issueTo(store, { uses });
    const cookie = newId();
    const first = from('192.0.2.1', [], cookie);
    const again = byCookie ? from(undefined, [cookie]) : from('192.0.2.1');

    replica.pause();
    for (const [requester, takes] of [
      [first, true],
      [again, true],
      [again, false],
    ] as const) {
      await expect(store.redeem(id, requester, takes)).rejects.toThrow(Unacknowledged);
    }
    replica.resume();
    await expect.poll(() => store.redeem(id, again, true).catch(() => undefined)).toBe('known');
    const mark = byCookie ? `wc${first.newCookie}` : `wa${first.address}`;
    const isKept = async () =>
      (await tell(master, `HEXISTS postern:uses:{${id}} ${mark}`)) === ':0';
    await waitFor(isKept, { what: 'the acknowledgment to be kept' });
    replica.pause();
    expect(await store.redeem(id, again, true)).toBe('known');
    expect((await store.requesters(id)).total).toBe(1);
  },
);
