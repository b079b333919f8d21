import { startRedis } from '../../dev/redis.ts';
import { waitFor } from '../../dev/wait.ts';
import { storeContract } from './contract.ts';
import { openRedis } from './open-redis.ts';

storeContract('Redis', async () => {
  const redis = await startRedis();
  // Not what it is about here, on a machine that is busy with other tests.
  const store = await openRedis(redis, { timeoutMs: 5_000 });
  return {
    store,
    now: Date.now,
    pass: async (ms) => {
      const end = Date.now() + ms;
      await waitFor(() => Date.now() >= end, { what: 'time to pass' });
    },
    async close() {
      await store.close();
      await redis.stop();
    },
  };
});
