import { setImmediate as turn } from 'node:timers/promises';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { openStore } from '../../../service/store/open.ts';
import { createRedisStore } from '../../../service/store/redis/redis.ts';
import { type Store, StoreUnavailable } from '../../../service/token/store.ts';
import { startRedis } from '../../harness/redis.ts';
import { waitFor } from '../../harness/wait.ts';
import { grantAt, newId } from '../grants.ts';
import { answers, observerOf, openRedis, startStore, tell } from '../open-redis.ts';

const everyCall = (store: Store): Array<Promise<unknown>> => [
  store.find(newId()),
  store.issue([[newId(), grantAt(Date.now())]]),
  store.issue([[newId(), grantAt(Date.now(), { subject: 'u' })]]),
  store.issue(Array.from({ length: 100 }, () => [newId(), grantAt(Date.now())])),
  store.redeem(newId(), { cookies: [], newCookie: newId() }, true),
  store.redeem(newId(), { cookies: [], newCookie: newId() }, false),
  store.prolong(newId(), 'web', Date.now() + 1000),
  store.revoke(newId(), 'web'),
  store.list('web', { subject: 'u' }, 10),
  store.revokeSubject('web', 'u'),
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
  const id = newId();
  await store.issue([[id, grantAt(Date.now())]]);
  return { redis, store, states, id };
}

test('Redis down: while Redis hangs every call fails, and afterwards the grants are there', async () => {
  const { redis, store, id } = await started(1_000);
  redis.pause();
  await allFail(store);
  redis.resume();
  await answers(store);
  expect(await store.find(id)).toBeDefined();
});

test('Redis down: while Redis is gone no call waits, and the store reconnects', async () => {
  const { redis, store, states, id } = await started();
  await redis.stop();
  await allFail(store);
  expect(states).toContain('down');
  await redis.restart();
  await answers(store);
  await waitFor(() => states.at(-1) === 'up', { what: 'the store to say so' });
  expect(await store.find(id)).toBeUndefined();
  await store.issue([[id, grantAt(Date.now())]]);
  expect(await store.find(id)).toBeDefined();
});

test('Redis down: a store that never connected fails every call without waiting', async () => {
  const { redis } = await started();
  await redis.stop();
  const store = createRedisStore({ url: redis.url, prefix: 'p:', timeoutMs: FOREVER_MS });
  onTestFinished(() => store.close());
  await allFail(store);
});

test('Redis down: calls in progress when Redis dies fail and are not sent again', async () => {
  const { redis } = await started();
  const store = await openRedis(redis, { timeoutMs: FOREVER_MS });
  onTestFinished(() => store.close());
  redis.pause();
  const calls = allFail(store);
  process.kill(redis.pid, 'SIGKILL');
  await calls;
});

test('Redis down: with a wrong password every call fails, and the reason is reported', async () => {
  const redis = await startRedis({ args: ['--requirepass', 'right'] });
  let told = '';
  const store = createRedisStore({
    url: redis.url.replace('//', '//:wrong@'),
    prefix: 'p:',
    timeoutMs: FOREVER_MS,
    onState: (_, error) => {
      told += error?.message ?? '';
    },
  });
  onTestFinished(async () => {
    await store.close();
    await redis.stop();
  });
  await waitFor(() => told.includes('WRONGPASS'), { what: 'Redis to refuse' });
  expect(told).not.toContain('wrong');
  await allFail(store);
});

test('Redis down: a failed revocation of a subject leaves no unhandled rejection', async () => {
  const { redis, store } = await started();
  await store.issue([[newId(), grantAt(Date.now(), { subject: 'u' })]]);
  const unhandled: unknown[] = [];
  const note = (error: unknown) => void unhandled.push(error);
  process.on('unhandledRejection', note);
  onTestFinished(() => void process.off('unhandledRejection', note));
  await tell(redis, 'ACL SETUSER default -unlink');
  await expect(store.revokeSubject('web', 'u')).rejects.toBeInstanceOf(StoreUnavailable);
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
  const redis = await startRedis();
  const told: boolean[] = [];
  const observer = observerOf({ connected: (up) => void told.push(up) });
  const options = { url: redis.url, prefix: 'postern:', timeoutMs: 5_000, checkEveryMs: 20 };
  const store = openStore(options, log, observer);
  onTestFinished(async () => {
    await store.close();
    await redis.stop();
  });
  // A failed request does not count until the next report.
  await waitFor(() => told.filter((up) => up).length > 2, { what: 'several checks' });
  await redis.stop();
  await waitFor(() => told.at(-1) === false, { what: 'its loss' });
  await redis.restart();
  await waitFor(() => told.at(-1) === true, { what: 'its return' });
});
