import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startRedis } from '../../harness/redis.ts';
import { waitFor } from '../../harness/wait.ts';
import { folderForTest, forTest } from '../../support/for-test.ts';
import { issueTo, newId } from '../grants.ts';
import { answers, storeAt, tell } from '../open-redis.ts';

test('Unix socket: the store connects with a password, and again after a restart of Redis', async () => {
  const socket = join(await folderForTest(), 'redis.sock');
  const args = ['--unixsocket', socket, '--unixsocketperm', '600'];
  const redis = await forTest(startRedis({ args }));
  await tell(redis, 'ACL SETUSER default >p@ss');
  const { store, states } = storeAt(`redis+unix://:p%40ss@${socket}`);
  await answers(store);
  const id = await issueTo(store);
  expect(await store.find(id)).toBeDefined();
  expect(await store.find(newId())).toBeUndefined();
  await redis.stop();
  await expect(store.find(id)).rejects.toThrow('connect ENOENT');
  await redis.restart();
  await waitFor(() => states.at(-1) === 'up', { what: 'the store to connect again' });
  expect(await store.find(await issueTo(store))).toBeDefined();
});
