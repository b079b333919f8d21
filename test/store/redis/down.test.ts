import { setImmediate as turn } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { startRedis } from '../../../dev/redis.ts';
import { waitFor } from '../../../dev/wait.ts';
import { type Store, StoreUnavailable } from '../../../service/domain/store.ts';
import { createRedisStore } from '../../../service/store/redis.ts';
import { grantAt, newId } from '../grants.ts';
import { answers, openRedis, tell } from '../open-redis.ts';

const everyCall = (store: Store): Array<Promise<unknown>> => [
  store.find(newId()),
  store.issue([[newId(), grantAt(Date.now())]]),
  store.issue([[newId(), grantAt(Date.now(), { subject: 'u' })]]),
  store.issue(Array.from({ length: 100 }, () => [newId(), grantAt(Date.now())])),
  store.redeem(newId(), { cookies: [], newCookie: newId() }, true),
  store.redeem(newId(), { cookies: [], newCookie: newId() }, false),
  store.prolong(newId(), 'web', Date.now() + 1000),
  store.revoke(newId(), 'web'),
  store.list('web', 'u', 10),
  store.revokeSubject('web', 'u'),
  store.check(),
];

async function failsSoon(store: Store): Promise<void> {
  const started = performance.now();
  for (const failed of await Promise.allSettled(everyCall(store))) {
    expect(failed).toMatchObject({ status: 'rejected', reason: expect.any(StoreUnavailable) });
  }
  expect(performance.now() - started).toBeLessThan(1_000);
}

async function started() {
  const redis = await startRedis();
  const states: string[] = [];
  const store = await openRedis(redis, { onState: (state) => void states.push(state) });
  onTestFinished(async () => {
    await store.close();
    await redis.stop();
  });
  const id = newId();
  await store.issue([[id, grantAt(Date.now())]]);
  return { redis, store, states, id };
}

test('while Redis hangs every call fails in time, and after it all is there', async () => {
  const { redis, store, id } = await started();
  redis.pause();
  await failsSoon(store);
  redis.resume();
  await answers(store);
  expect(await store.find(id)).toBeDefined();
});

test('while Redis is gone every call fails at once, and it is found again on its port', async () => {
  const { redis, store, states, id } = await started();
  await redis.stop();
  await failsSoon(store);
  expect(states).toContain('down');
  await redis.restart();
  await answers(store);
  await waitFor(() => states.at(-1) === 'up', { what: 'the store to say so' });
  expect(await store.find(id)).toBeUndefined();
  await store.issue([[id, grantAt(Date.now())]]);
  expect(await store.find(id)).toBeDefined();
});

test('where there is no Redis nothing waits for it', async () => {
  const { redis } = await started();
  await redis.stop();
  const store = createRedisStore({ url: redis.url, prefix: 'p:', timeoutMs: 10_000 });
  onTestFinished(() => store.close());
  await failsSoon(store);
});

test('what was under way when Redis died fails, and is not sent again', async () => {
  const { redis } = await started();
  const store = await openRedis(redis, { timeoutMs: 10_000 });
  onTestFinished(() => store.close());
  redis.pause();
  const calls = failsSoon(store);
  process.kill(redis.pid, 'SIGKILL');
  await calls;
});

test('a wrong password is an unavailable store, and the log is told why', async () => {
  const redis = await startRedis({ args: ['--requirepass', 'right'] });
  let told = '';
  const store = createRedisStore({
    url: redis.url.replace('//', '//:wrong@'),
    prefix: 'p:',
    timeoutMs: 250,
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
  await failsSoon(store);
});

test('where Redis refuses to end the grants of a subject, only who asked for it is told', async () => {
  const { redis, store } = await started();
  await store.issue([[newId(), grantAt(Date.now(), { subject: 'u' })]]);
  const unhandled: unknown[] = [];
  const note = (error: unknown) => void unhandled.push(error);
  process.on('unhandledRejection', note);
  onTestFinished(() => void process.off('unhandledRejection', note));
  await tell(redis, 'ACL SETUSER default -unlink');
  await expect(store.revokeSubject('web', 'u')).rejects.toBeInstanceOf(StoreUnavailable);
  // Node tells of them at the end of a turn.
  await turn();
  expect(unhandled).toEqual([]);
});

test('a closed store fails too, and is not told as lost', async () => {
  const { redis, store, states } = await started();
  await store.close();
  await failsSoon(store);
  await redis.stop();
  expect(states).toEqual(['up']);
});
