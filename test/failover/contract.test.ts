import { startRedisCluster } from '../../dev/redis-cluster.ts';
import { startRedisSentinel } from '../../dev/redis-sentinel.ts';
import { storeContract } from '../store/contract.ts';
import { engines } from '../store/engines.ts';
import { openedOn } from '../store/open-redis.ts';

const concurrent = { concurrent: true };

for (const [engine, name] of engines()) {
  storeContract(
    `${name} with Sentinel`,
    () => openedOn(() => startRedisSentinel({ engine })),
    concurrent,
  );
  storeContract(`${name} Cluster`, () => openedOn(() => startRedisCluster({ engine })), concurrent);
}
