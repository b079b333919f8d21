import { inject } from 'vitest';
import { type Engine, startRedis } from '../../../dev/redis.ts';
import { startRedisCluster } from '../../../dev/redis-cluster.ts';
import { startRedisSentinel } from '../../../dev/redis-sentinel.ts';
import { storeContract } from '../contract.ts';
import { openedOn } from '../open-redis.ts';

const engines: ReadonlyArray<readonly [Engine, string]> = [
  ['redis', 'Redis'],
  ['valkey', 'Valkey'],
];

for (const [engine, name] of engines) {
  // Elsewhere than in CI, a machine may have no package of it.
  if (!process.env.CI && inject('missingTools')[`${engine}-server`] !== undefined) continue;
  const concurrent = { concurrent: true };
  storeContract(name, () => openedOn(() => startRedis({ engine })), concurrent);
  storeContract(
    `${name} with Sentinel`,
    () => openedOn(() => startRedisSentinel({ engine })),
    concurrent,
  );
  storeContract(`${name} Cluster`, () => openedOn(() => startRedisCluster({ engine })), concurrent);
}
