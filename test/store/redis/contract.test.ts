import { startRedis } from '../../harness/redis.ts';
import { openedOn } from '../../support/store/open-redis.ts';
import { storeContract } from '../contract.ts';

storeContract('Redis', () => openedOn(startRedis), { concurrent: true });
