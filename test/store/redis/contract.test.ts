import { startRedis } from '../../../dev/redis.ts';
import { storeContract } from '../contract.ts';
import { openedAt } from '../open-redis.ts';

// Time-outs are not tested here, and the machine is busy with other tests.
const timeoutMs = 5_000;

storeContract('Redis', () => openedAt(() => startRedis(), { timeoutMs }));
storeContract('Valkey', () => openedAt(() => startRedis({ engine: 'valkey' }), { timeoutMs }));
