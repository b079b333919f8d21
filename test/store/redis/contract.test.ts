import { startRedis } from '../../harness/redis.ts';
import { storeContract } from '../contract.ts';
import { openedOn } from '../open-redis.ts';

storeContract('Redis', () => openedOn(startRedis), { concurrent: true });
