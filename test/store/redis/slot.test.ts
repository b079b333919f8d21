import { afterAll, beforeAll, expect, test } from 'vitest';
import { slotOf } from '../../../service/store/redis/key-names.ts';
import { ask } from '../../harness/redis.ts';
import { type RedisCluster, startRedisCluster } from '../../harness/redis-cluster.ts';

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
