import { expect, onTestFinished, test } from 'vitest';
import { startRedisCluster } from '../../../dev/redis-cluster.ts';
import { connectCluster } from '../../../service/store/cluster.ts';
import type { Connection } from '../../../service/store/connection.ts';
import { createClusterIssuing, createEnterAll } from '../../../service/store/issuing.ts';
import { createRedisStore } from '../../../service/store/redis.ts';
import { grantAt, newId } from '../grants.ts';
import { answers } from '../open-redis.ts';

test('Cluster: a subject is revoked between the writes of an issue, and the next revocation ends the grant', async () => {
  const cluster = await startRedisCluster({ replicas: 0 });
  const options = { url: cluster.url, prefix: 'postern:', timeoutMs: 5_000 };
  const store = createRedisStore(options);
  const connection = connectCluster(options, { write: async () => {}, learn: async () => {} });
  onTestFinished(async () => {
    connection.close();
    await store.close();
    await cluster.stop();
  });
  await answers(store);
  await connection.send([['get', 'postern:none']]);

  const revoked: number[] = [];
  const revoke = async () => void revoked.push(await store.revokeSubject('web', 'u'));
  const interrupted: Connection = {
    ...connection,
    async send(commands) {
      await revoke();
      return connection.send(commands);
    },
    redis: {
      ...connection.redis,
      eval: async (...args: Parameters<Connection['redis']['eval']>) => {
        await revoke();
        return connection.redis.eval(...args);
      },
    } as Connection['redis'],
  };
  const grantKey = (id: string) => `postern:grant:{${id}}`;
  const issue = createClusterIssuing(interrupted, {
    grantKey,
    indexesOf: () => ['postern:subject:{web:u}', 'postern:client:{web}'],
    lifeOf: ({ expiresAt }) => expiresAt - Date.now(),
    enterAll: createEnterAll(interrupted),
  });
  const id = newId();
  await issue([[id, grantAt(Date.now(), { subject: 'u' })]]);
  // Before the grant, and before each of its two indexes.
  expect(revoked).toEqual([0, 0, 0]);
  expect(await store.find(id)).toBeDefined();
  await revoke();
  expect(revoked).toEqual([0, 0, 0, 1]);
  expect(await store.find(id)).toBeUndefined();
});
