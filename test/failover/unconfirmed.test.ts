import { expect, onTestFinished, test } from 'vitest';
import { createRedisStore } from '../../service/store/redis/redis.ts';
import { Unconfirmed } from '../../service/token/store.ts';
import { startRedis } from '../harness/redis.ts';
import { waitFor } from '../harness/wait.ts';
import { grantAt, newId } from '../store/grants.ts';
import { answers, tell } from '../store/open-redis.ts';

// A requester that gets the file must still be the only one after a failover.

async function started() {
  const master = await startRedis();
  const replica = await startRedis({ args: ['--replicaof', `127.0.0.1 ${master.port}`] });
  const store = createRedisStore({
    url: master.url,
    prefix: 'postern:',
    timeoutMs: 1_000,
    replicas: 1,
  });
  onTestFinished(async () => {
    await store.close();
    await Promise.all([replica.stop(), master.stop()]);
  });
  await answers(store);
  return { master, replica, store };
}

test.each([
  ['its address', false],
  ['its cookie', true],
])('replicas: a requester known by %s is confirmed once, and not before', async (_, byCookie) => {
  const { master, replica, store } = await started();
  const id = newId();
  const uses = { max: 1, resumeFor: 600, ...(byCookie && { cookieOnly: true as const }) };
  await store.issue([[id, grantAt(Date.now(), { uses })]]);
  const cookie = newId();
  const first = { cookies: [], newCookie: cookie, address: '192.0.2.1' };
  const again = byCookie
    ? { cookies: [cookie], newCookie: newId() }
    : { ...first, newCookie: newId() };

  replica.pause();
  await expect(store.redeem(id, first, true)).rejects.toThrow(Unconfirmed);
  await expect(store.redeem(id, again, true)).rejects.toThrow(Unconfirmed);
  await expect(store.redeem(id, again, false)).rejects.toThrow(Unconfirmed);
  replica.resume();
  const isKnown = () =>
    store.redeem(id, again, true).then(
      (redeemed) => redeemed === 'known',
      () => false,
    );
  await waitFor(isKnown, { what: 'the replica' });
  const mark = byCookie ? `wc${cookie}` : `wa${first.address}`;
  const isKept = async () => (await tell(master, `HEXISTS postern:uses:{${id}} ${mark}`)) === ':0';
  await waitFor(isKept, { what: 'the confirmation to be kept' });
  replica.pause();
  expect(await store.redeem(id, again, true)).toBe('known');
  expect(await store.requesters(id)).toHaveLength(1);
});
