import { expect, onTestFinished, test } from 'vitest';
import { connect } from '../../../service/store/connection/server.ts';
import { createKeys } from '../../../service/store/redis/key-names.ts';
import { createProlonging } from '../../../service/store/redis/prolonging.ts';
import type { Replicas } from '../../../service/store/redis/replicas.ts';
import type { Shared } from '../../../service/store/redis/shared.ts';
import { startRedis } from '../../harness/redis.ts';
import { grantAt, newId } from '../grants.ts';
import { openRedis } from '../open-redis.ts';

test('prolong: an earlier end is confirmed again, although another one was confirmed meanwhile', async () => {
  const redis = await startRedis();
  const store = await openRedis(redis);
  const connection = connect({ url: redis.url, timeoutMs: 5000 }, async () => {});
  onTestFinished(async () => {
    connection.close();
    await store.close();
    await redis.stop();
  });
  /** Confirmations that the replicas owe. */
  const owed: Array<{ readonly confirm: () => void; readonly fail: () => void }> = [];
  const confirmed: Replicas['confirmed'] = async (_, operation, isNeeded = () => true) => {
    const result = await operation();
    if (!isNeeded(result)) return result;
    return new Promise((resolve, reject) => {
      owed.push({ confirm: () => resolve(result), fail: () => reject(new Error('unconfirmed')) });
    });
  };
  const keys = createKeys('postern:');
  const { redis: commands } = connection;
  const shared = {
    ...{ connection, keys, confirmed, now: Date.now, replicas: {} },
    run: (script, names, args) => commands.eval(script, names.length, ...names, ...args),
  } as Partial<Shared> as Shared;
  const prolong = createProlonging(shared, { enter: async () => {}, find: store.find });

  const [id, now] = [newId(), Date.now()];
  await store.issue([[id, grantAt(now, { expiresAt: now + 600_000 })]]);
  const first = prolong(id, 'web', now + 300_000);
  await expect.poll(() => owed.length).toBe(1);
  const second = prolong(id, 'web', now + 200_000);
  await expect.poll(() => owed.length).toBe(2);
  owed[0]?.confirm();
  await first;
  owed[1]?.fail();
  await expect(second).rejects.toThrow('unconfirmed');
  let isDone = false;
  // As the API: from now.
  const again = prolong(id, 'web', Date.now() + 200_000).then(() => {
    isDone = true;
  });
  await expect.poll(() => isDone || owed.length === 3).toBe(true);
  expect(owed).toHaveLength(3);
  owed[2]?.confirm();
  await again;
  // On the same connection, so the mark is gone.
  expect(await commands.hget(keys.uses(id), 'we')).toBeNull();
});
