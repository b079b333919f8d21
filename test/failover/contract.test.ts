import { startRedisCluster } from '../harness/redis-cluster.ts';
import { startRedisSentinel } from '../harness/redis-sentinel.ts';
import { storeContract } from '../store/contract.ts';
import { engines, openedOn } from '../store/open-redis.ts';

const concurrent = { concurrent: true };

for (const [engine, name] of engines()) {
  // One of them with a confirmation by replicas, which must not change any answer.
  const replicas = engine === 'valkey' ? 1 : 0;
  storeContract(
    `${name} with Sentinel and ${replicas} replicas to confirm`,
    () => openedOn(() => startRedisSentinel({ engine }), { replicas }),
    concurrent,
  );
  storeContract(
    `${name} Cluster and ${replicas} replicas to confirm`,
    () => openedOn(() => startRedisCluster({ engine }), { replicas }),
    concurrent,
  );
}
