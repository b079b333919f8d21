import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { Connection } from '../../../service/store/connection/connection.ts';
import { slotOf } from '../../../service/store/connection/library.ts';
import { connect } from '../../../service/store/connection/server.ts';
import { createIssues } from '../../../service/store/redis/grants.ts';
import { createRedisStore } from '../../../service/store/redis/redis.ts';
import { createKeys, type Shared } from '../../../service/store/redis/shared.ts';
import { ask } from '../../harness/redis.ts';
import { type RedisCluster, startRedisCluster } from '../../harness/redis-cluster.ts';
import { grantAt, newId } from '../grants.ts';
import { answers } from '../open-redis.ts';

test('Cluster: a subject is revoked between the writes of an issue, and the next revocation ends the grant', async () => {
  const cluster = await startRedisCluster({ replicas: 0 });
  const options = { url: cluster.url, prefix: 'postern:', timeoutMs: 5_000 };
  const store = createRedisStore(options);
  const connection = connect(options, async () => {});
  onTestFinished(async () => {
    connection.close();
    await store.close();
    await cluster.stop();
  });
  await answers(store);
  await connection.redis.hget('postern:none', 'field');

  const revoked: number[] = [];
  const revoke = async () => void revoked.push(await store.revokeSubject('web', 'u'));
  const interrupted: Connection = {
    ...connection,
    redis: {
      ...connection.redis,
      set: async (...args: Parameters<Connection['redis']['set']>) => {
        await revoke();
        return connection.redis.set(...args);
      },
      eval: async (...args: Parameters<Connection['redis']['eval']>) => {
        await revoke();
        return connection.redis.eval(...args);
      },
    } as Connection['redis'],
  };
  const shared = {
    ...{ connection: interrupted, keys: createKeys(options.prefix), now: Date.now },
    confirmed: (_, operation) => operation(),
    reply: (command) => command(),
    run: (script, names, args) => interrupted.redis.eval(script, names.length, ...names, ...args),
  } as Partial<Shared> as Shared;
  const { issue } = createIssues(shared, store.find);
  const id = newId();
  await issue([[id, grantAt(Date.now(), { subject: 'u' })]]);
  // Before the grant, and before each of its three indexes.
  expect(revoked).toEqual([0, 0, 0, 0]);
  expect(await store.find(id)).toBeDefined();
  await revoke();
  expect(revoked).toEqual([0, 0, 0, 0, 1]);
  expect(await store.find(id)).toBeUndefined();
});

describe('slots', () => {
  let cluster: RedisCluster;
  beforeAll(async () => {
    cluster = await startRedisCluster({ replicas: 0 });
  });
  afterAll(() => cluster.stop());

  test.each(['postern:grant:{abc}', 'a{}b', '{a}}', 'é{ü}ß', 'plain', '{', '}{'])(
    'the slot of %s is the one that Redis computes',
    async (key) => {
      const reply = await ask(cluster.masters[0]?.port ?? 0, `CLUSTER KEYSLOT "${key}"`);
      expect(reply).toBe(`:${slotOf(key)}\r\n`);
    },
  );
});
