import { startRedis } from '../../harness/redis.ts';
import { storeContract } from '../contract.ts';
import { engines, openedOn } from '../open-redis.ts';

for (const [engine, name] of engines()) {
  storeContract(name, () => openedOn(() => startRedis({ engine })), { concurrent: true });
}
