import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { openStore } from '../../../service/store/open.ts';
import { type Store, StoreUnavailable } from '../../../service/token/store.ts';
import { startRedis } from '../../harness/redis.ts';
import { waitFor } from '../../harness/wait.ts';
import { folderForTest, forTest } from '../../support/for-test.ts';
import { caught } from '../../support/store/fake-redis.ts';
import { from, grantAt, issueTo, newId } from '../../support/store/grants.ts';
import { answers, observerOf, startStore, storeAt, tell } from '../../support/store/open-redis.ts';

const everyCall = (store: Store): Array<Promise<unknown>> => [
  store.find(newId()),
  issueTo(store),
  issueTo(store, { subject: 'u' }),
  store.issue(Array.from({ length: 100 }, () => [newId(), grantAt(Date.now())])),
  store.redeem(newId(), from(), true),
  store.redeem(newId(), from(), false),
  store.prolong(newId(), 'web', Date.now() + 1000),
  store.revoke(newId(), 'web'),
  store.list('web', { subject: 'u' }, 10),
  store.revokeAll('web', { subject: 'u' }),
  store.check(),
];

/** A test that waited so long for a reply would run into its own time-out. */
const FOREVER_MS = 600_000;

async function allFail(store: Store): Promise<void> {
  for (const failed of await Promise.allSettled(everyCall(store))) {
    expect(failed).toMatchObject({ status: 'rejected', reason: expect.any(StoreUnavailable) });
  }
}

async function started(timeoutMs = FOREVER_MS) {
  const states: string[] = [];
  const onState = (state: string) => void states.push(state);
  const { redis, store } = await startStore({ timeoutMs, onState });
  return { redis, store, states, id: await issueTo(store) };
}

test('Redis down: while Redis hangs every call fails, and afterwards the grants are there', async () => {
  const { redis, store, id } = await started(1_000);
  redis.pause();
  await allFail(store);
  redis.resume();
  await answers(store);
  expect((await store.find(id)).grant).toBeDefined();
});

test('Redis down: stores that start before their cluster use it as soon as it is there', async () => {
  const redis = await forTest(
    startRedis({ args: '--cluster-enabled yes --cluster-announce-ip 127.0.0.1'.split(' ') }),
  );
  await redis.stop();
  const url = `redis+cluster://127.0.0.1:${redis.port}`;
  const stores = Array.from({ length: 16 }, () => storeAt(url).store);
  await Promise.all(stores.map(allFail));
  await redis.restart();
  await tell(redis, 'CLUSTER ADDSLOTSRANGE 0 16383');
  for (const store of stores) await answers(store);
});

test('Redis down: while Redis is gone no call waits, and the store reconnects', async () => {
  const { redis, store, states, id } = await started();
  await redis.stop();
  await allFail(store);
  expect(states).toContain('down');
  await redis.restart();
  await answers(store);
  await expect.poll(() => states.at(-1), { message: 'the store to say so' }).toBe('up');
  expect((await store.find(id)).grant).toBeUndefined();
  expect((await store.find(await issueTo(store))).grant).toBeDefined();
});

test('Redis down: a store that never connected fails every call without waiting', async () => {
  const { redis } = await started();
  await redis.stop();
  await allFail(storeAt(redis.url, { timeoutMs: FOREVER_MS }).store);
});

test('Redis down: calls in progress when Redis dies fail and are not sent again', async () => {
  const { redis } = await started();
  const { store } = storeAt(redis.url, { timeoutMs: FOREVER_MS });
  await answers(store);
  redis.pause();
  const calls = allFail(store);
  process.kill(redis.pid, 'SIGKILL');
  await calls;
});

test('Redis down: a failed revocation of a subject leaves no unhandled rejection', async () => {
  const { redis, store } = await started();
  await issueTo(store, { subject: 'u' });
  const unhandled = caught();
  await tell(redis, 'ACL SETUSER default -unlink');
  await expect(store.revokeAll('web', { subject: 'u' })).rejects.toBeInstanceOf(StoreUnavailable);
  // Node reports unhandled rejections at the end of a turn.
  await turn();
  expect(unhandled).toEqual([]);
});

test('Redis down: a closed store fails every call and reports no lost connection', async () => {
  const { redis, store, states } = await started();
  await store.close();
  await allFail(store);
  await redis.stop();
  expect(states).toEqual(['up']);
});

const log = pino({ level: 'silent' });

test('store: memory is connected from the start', () => {
  const told: boolean[] = [];
  const observer = observerOf({ connected: (up) => void told.push(up) });
  openStore({ url: 'memory:', prefix: '', timeoutMs: 250 }, log, observer);
  expect(told).toEqual([true]);
});

test('store: a connect, a disconnect and each check of Redis are reported without any request', async () => {
  const redis = await forTest(startRedis());
  const told: boolean[] = [];
  const observer = observerOf({ connected: (up) => void told.push(up) });
  const options = { url: redis.url, prefix: 'postern:', timeoutMs: 5_000, checkEveryMs: 20 };
  const store = openStore(options, log, observer);
  onTestFinished(() => store.close());
  // A failed request does not count until the next report.
  await waitFor(() => told.filter((up) => up).length > 2, { what: 'several checks' });
  await redis.stop();
  await expect.poll(() => told.at(-1), { message: 'its loss' }).toBe(false);
  await redis.restart();
  await expect.poll(() => told.at(-1), { message: 'its return' }).toBe(true);
});

test('Unix socket: the store connects with a password, and again after a restart of Redis', async () => {
  const socket = join(await folderForTest(), 'redis.sock');
  const args = ['--unixsocket', socket, '--unixsocketperm', '600'];
  const redis = await forTest(startRedis({ args }));
  await tell(redis, 'ACL SETUSER default >p@ss');
  const { store, states } = storeAt(`redis+unix://:p%40ss@${socket}`);
  await answers(store);
  const id = await issueTo(store);
  expect((await store.find(id)).grant).toBeDefined();
  expect((await store.find(newId())).grant).toBeUndefined();
  await redis.stop();
  // Until the first attempt to connect again, the reason is the lost connection.
  const reason = () => store.find(id).then(String, ({ message }: Error) => message);
  await expect.poll(() => reason(), { message: 'the reason' }).toContain('connect ENOENT');
  await redis.restart();
  await expect.poll(() => states.at(-1), { message: 'the store to connect again' }).toBe('up');
  expect((await store.find(await issueTo(store))).grant).toBeDefined();
});
