import type { Store } from '../../token/store.ts';
import { type RedisStoreOptions, replyOrThrow } from '../connection/connection.ts';
import { openCommands } from './commands.ts';
import { createAddDelivered } from './deliveries.ts';
import { createIssues } from './grants.ts';
import { createReads } from './reads.ts';
import { createRevocations } from './revocations.ts';
import { createUses } from './uses-and-pins.ts';

/**
 * Each grant is a record under `<prefix>grant:{<id>}`, its requesters are a hash, `<prefix>uses:{<id>}`. Its indexes may
 * name grants that have ended: only the key of a grant shows whether it exists.
 */
export function createRedisStore(options: RedisStoreOptions): Store {
  const commands = openCommands(options);
  const { connection, write, assertUsable, replicas } = commands;
  const { revocations, endPiece } = createRevocations(commands);
  const reads = createReads(commands, endPiece);
  return {
    ...reads,
    ...createIssues(commands),
    ...revocations,
    ...createUses(commands),
    addDelivered: createAddDelivered(commands, async (master) => {
      assertUsable();
      (await write([master])).forEach(replyOrThrow);
    }),

    check: commands.health.check,
    async close() {
      replicas?.close();
      connection.close();
    },
  };
}
