import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createRedisStore } from '../../../service/store/redis/redis.ts';
import { temporaryFolder } from '../../harness/paths.ts';
import { startRedis } from '../../harness/redis.ts';
import { waitFor } from '../../harness/wait.ts';
import { grantAt, newId } from '../grants.ts';
import { answers, tell } from '../open-redis.ts';

test('Unix socket: the store connects with a password, and again after a restart of Redis', async () => {
  const socket = join(await temporaryFolder(), 'redis.sock');
  const redis = await startRedis({ args: ['--unixsocket', socket, '--unixsocketperm', '600'] });
  await tell(redis, 'ACL SETUSER default >p@ss');
  const url = `redis+unix://:p%40ss@${socket}`;
  const states: string[] = [];
  const onState = (state: string) => void states.push(state);
  const store = createRedisStore({ url, prefix: 'postern:', timeoutMs: 5_000, onState });
  onTestFinished(async () => {
    await store.close();
    await redis.stop();
  });
  await answers(store);
  const [id, other] = [newId(), newId()];
  await store.issue([[id, grantAt(Date.now())]]);
  expect(await store.find(id)).toBeDefined();
  expect(await store.find(other)).toBeUndefined();
  await redis.stop();
  await expect(store.find(id)).rejects.toThrow('connect ENOENT');
  await redis.restart();
  await waitFor(() => states.at(-1) === 'up', { what: 'the store to connect again' });
  await store.issue([[other, grantAt(Date.now())]]);
  expect(await store.find(other)).toBeDefined();
});
