import { storeContract } from '../contract.ts';
import { openedRedis } from '../open-redis.ts';

// Time-outs are not what it is about here, on a machine that is busy with other tests.
storeContract('Redis', () => openedRedis({}));
