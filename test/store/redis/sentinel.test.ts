import { startRedisSentinel } from '../../../dev/redis-sentinel.ts';
import { storeContract } from '../contract.ts';
import { openedAt } from '../open-redis.ts';

for (const engine of ['redis', 'valkey'] as const) {
  storeContract(`Sentinel of ${engine}`, () => {
    return openedAt(() => startRedisSentinel({ engine }), { timeoutMs: 5_000 });
  });
}
