import { rememberedUntil } from '../../token/grant.ts';
import { MAX_REQUESTERS } from '../../token/grant-fields.ts';
import type { Store } from '../../token/store.ts';
import { type RedisStoreOptions, type Reply, replyOrThrow } from '../connection/connection.ts';
import { connect } from '../connection/server.ts';
import { createIssues, createRevocations } from './grants.ts';
import { createStoreHealth } from './readiness.ts';
import { createReads } from './reads.ts';
import { encodeRecord } from './record.ts';
import { createReplicas, type Replicas } from './replicas.ts';
import { COUNT_ATTEMPT, REDEEM, type Run, SAVE_EXTERNAL } from './scripts.ts';
import { createAddDelivered } from './sent-bytes.ts';
import { createKeys, type Shared } from './shared.ts';

/**
 * Grants in Redis 7 or Valkey, each a record under `<prefix>grant:{<id>}` that expires. Its requesters
 * are in a hash, `<prefix>uses:{<id>}`. Its indexes may name grants that have ended: only the key of a grant shows
 * whether it exists.
 */
export function createRedisStore(options: RedisStoreOptions): Store {
  const { prefix, now = Date.now } = options;
  const connection = connect(options, async () => {
    const written = write().then((replies) => replies.forEach(replyOrThrow));
    // Even if no write is accepted: a full Redis has tokens that can be looked up.
    const judged = connection.infos().then(health.judge);
    await Promise.all([written, judged, replicas?.learn()]);
    health.requireAccepted();
  });
  const { redis } = connection;
  const replicas = options.replicas ? createReplicas(connection, options) : undefined;
  const confirmed: Replicas['confirmed'] = replicas?.confirmed ?? ((_, operation) => operation());
  const health = createStoreHealth(connection, options, replicas, () => write());
  const keys = createKeys(prefix);

  /** Throws if no reply of this Redis may be used. */
  function assertUsable(): void {
    connection.assertMaster();
    health.assertAccepted();
  }

  /** Every failure of Redis is a `StoreUnavailable`. */
  async function reply<T>(command: () => Promise<T>): Promise<T> {
    try {
      assertUsable();
      return await command();
    } catch (error) {
      throw connection.failureOf(error as Error);
    }
  }

  /** Sends whole scripts, not their digests, which Redis loses when it restarts: a use must not wait for both. */
  const run: Run = (script, names, args) =>
    reply(() => redis.eval(script, names.length, ...names, ...args));

  /** Writes a key that means nothing to each of the masters. */
  async function write(masters = connection.masterNames()): Promise<readonly Reply[]> {
    if (masters.length === 0) return [[new Error('No master of the cluster is known'), undefined]];
    const writes = masters.map((master) =>
      redis.set(connection.keyOn(master, `${prefix}ready`), now(), 'PX', 1000).then(
        (value): Reply => [null, value],
        (error: Error): Reply => [error, undefined],
      ),
    );
    return Promise.all(writes);
  }

  const shared: Shared = { connection, keys, reply, run, assertUsable, replicas, confirmed, now };
  const { revocations, endPiece } = createRevocations(shared);
  const reads = createReads(shared, endPiece);
  return {
    ...reads,
    ...createIssues(shared, reads.find),
    ...revocations,
    addDelivered: createAddDelivered(shared, async (master) => {
      assertUsable();
      (await write([master])).forEach(replyOrThrow);
    }),

    async saveExternal(id, grant) {
      // Negative if that time has passed, so that no requester starts, not even in this millisecond.
      const admitted = grant.expiresAt - now();
      const args = [encodeRecord(grant), admitted, rememberedUntil(grant)];
      await run(SAVE_EXTERNAL, [keys.grant(id)], args);
    },

    async redeem(id, { cookies, address = '', newCookie }, count) {
      const key = keys.grant(id);
      const counting = replicas ? 2 : 1;
      const args = [count ? counting : 0, MAX_REQUESTERS, newCookie, address, ...cookies];
      const redeem = () => run(REDEEM, [key, keys.uses(id)], args);
      const isNeeded = (redeemed: unknown) =>
        redeemed === 'unconfirmed' || (redeemed === 'new' && count);
      const redeemed = await confirmed(key, redeem, isNeeded);
      if (replicas && isNeeded(redeemed)) {
        const marks = [newCookie, ...cookies].map((cookie) => `wc${cookie}`);
        // Nobody waits for it: if it is lost, the next use is confirmed again.
        redis.hdel(keys.uses(id), `wa${address}`, ...marks).catch(() => {});
      }
      if (redeemed === 'unconfirmed') return 'known';
      return redeemed === 'known' || redeemed === 'new' ? redeemed : undefined;
    },

    async countAttempt(id, max) {
      const key = keys.grant(id);
      const count = () => run(COUNT_ATTEMPT, [key, keys.uses(id)], [max]);
      const attempts = await confirmed(key, count, (counted) => counted === 0);
      return typeof attempts === 'number' ? attempts : undefined;
    },

    check: health.check,
    async close() {
      replicas?.close();
      connection.close();
    },
  };
}
