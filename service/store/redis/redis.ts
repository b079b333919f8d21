import { rememberedUntil } from '../../token/grant.ts';
import { MAX_REQUESTERS } from '../../token/grant-fields.ts';
import type { Store } from '../../token/store.ts';
import { type RedisStoreOptions, replyOrThrow } from '../connection/connection.ts';
import { openCommands } from './commands.ts';
import { createAddDelivered } from './deliveries.ts';
import { createIssues, createRevocations } from './grants.ts';
import { createReads } from './reads.ts';
import { encodeRecord } from './record.ts';
import { COUNT_ATTEMPT, REDEEM, SAVE_EXTERNAL } from './scripts.ts';

/**
 * Grants in Redis 7 or Valkey, each a record under `<prefix>grant:{<id>}` that expires. Its requesters
 * are in a hash, `<prefix>uses:{<id>}`. Its indexes may name grants that have ended: only the key of a grant shows
 * whether it exists.
 */
export function createRedisStore(options: RedisStoreOptions): Store {
  const commands = openCommands(options);
  const { connection, keys, run, write, assertUsable, replicas, acknowledged, now } = commands;
  const { revocations, endPiece } = createRevocations(commands);
  const reads = createReads(commands, endPiece);
  return {
    ...reads,
    ...createIssues(commands),
    ...revocations,
    addDelivered: createAddDelivered(commands, async (master) => {
      assertUsable();
      (await write([master])).forEach(replyOrThrow);
    }),

    async saveExternal(id, grant) {
      // Negative if that time has passed, so that no requester starts, not even in this millisecond.
      const admitted = grant.expiresAt - now();
      const args = [encodeRecord(grant), admitted, rememberedUntil(grant)];
      await run(SAVE_EXTERNAL, [keys.grant(id)], args);
    },

    async redeem(id, { cookies, address = '', newCookie }, count, at) {
      const key = keys.grant(id);
      const counting = replicas ? 2 : 1;
      const args = [count ? counting : 0, MAX_REQUESTERS, newCookie, address, at ?? '', ...cookies];
      const redeem = () => run(REDEEM, [key, keys.uses(id)], args);
      const isNeeded = (redeemed: unknown) =>
        redeemed === 'unacknowledged' || (redeemed === 'new' && count);
      const redeemed = await acknowledged(key, redeem, isNeeded);
      if (replicas && isNeeded(redeemed)) {
        const marks = [newCookie, ...cookies].map((cookie) => `wc${cookie}`);
        // Nobody waits for it: if it is lost, the next use is acknowledged again.
        connection.redis.hdel(keys.uses(id), `wa${address}`, ...marks).catch(() => {});
      }
      if (redeemed === 'unacknowledged') return 'known';
      return redeemed === 'known' || redeemed === 'new' ? redeemed : undefined;
    },

    async countAttempt(id, max, isRight = false) {
      const key = keys.grant(id);
      const count = () => run(COUNT_ATTEMPT, [key, keys.uses(id)], [max]);
      const attempts = await acknowledged(key, count, (counted) => !isRight || counted === 0);
      return typeof attempts === 'number' ? attempts : undefined;
    },

    check: commands.health.check,
    async close() {
      replicas?.close();
      connection.close();
    },
  };
}
