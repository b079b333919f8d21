import { expect, test } from 'vitest';
import { Unconfirmed } from '../../service/token/store.ts';
import { startRedis } from '../harness/redis.ts';
import { waitFor } from '../harness/wait.ts';
import { from, issueTo, newId } from '../store/grants.ts';
import { answers, storeAt, tell } from '../store/open-redis.ts';
import { forTest } from '../support/for-test.ts';

// A requester that gets the file must still be the only one after a failover.

test.each([
  ['its address', false],
  ['its cookie', true],
])('replicas: a requester known by %s is confirmed once, and not before', async (_, byCookie) => {
  const master = await forTest(startRedis());
  const args = ['--replicaof', `127.0.0.1 ${master.port}`];
  const replica = await forTest(startRedis({ args }));
  const { store } = storeAt(master.url, { timeoutMs: 1_000, replicas: 1 });
  await answers(store);
  const uses = { max: 1, resumeFor: 600, ...(byCookie && { cookieOnly: true as const }) };
  const id = await issueTo(store, { uses });
  const cookie = newId();
  const first = from('192.0.2.1', [], cookie);
  const again = byCookie ? from(undefined, [cookie]) : from('192.0.2.1');

  replica.pause();
  await expect(store.redeem(id, first, true)).rejects.toThrow(Unconfirmed);
  await expect(store.redeem(id, again, true)).rejects.toThrow(Unconfirmed);
  await expect(store.redeem(id, again, false)).rejects.toThrow(Unconfirmed);
  replica.resume();
  const isKnown = async () =>
    (await store.redeem(id, again, true).catch(() => undefined)) === 'known';
  await waitFor(isKnown, { what: 'the replica' });
  const mark = byCookie ? `wc${first.newCookie}` : `wa${first.address}`;
  const isKept = async () => (await tell(master, `HEXISTS postern:uses:{${id}} ${mark}`)) === ':0';
  await waitFor(isKept, { what: 'the confirmation to be kept' });
  replica.pause();
  expect(await store.redeem(id, again, true)).toBe('known');
  expect(await store.requesters(id)).toHaveLength(1);
});
