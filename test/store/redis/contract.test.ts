import { storeContract } from '../contract.ts';
import { openedRedis } from '../open-redis.ts';

storeContract('Redis', openedRedis, { concurrent: true });
