import { type RedisStoreOptions, type Reply, replyOrThrow } from '../connection/connection.ts';
import { NO_MASTER } from '../connection/failure.ts';
import { connect } from '../connection/server.ts';
import { createKeys } from './key-names.ts';
import { createStoreHealth } from './readiness.ts';
import { createReplicas, type Replicas } from './replicas.ts';
import type { Run } from './scripts.ts';

/** Grants that a revocation ends in one piece, which takes about a millisecond. */
export const PIECE = 200;

export type Shared = ReturnType<typeof openShared>;

/** What the parts of a Redis store share. `replicas` is absent if no replicas have to confirm. */
export function openShared(options: RedisStoreOptions) {
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
    if (masters.length === 0) return [[new Error(NO_MASTER), undefined]];
    const writes = masters.map((master) =>
      redis.set(connection.keyOn(master, `${prefix}ready`), now(), 'PX', 1000).then(
        (value): Reply => [null, value],
        (error: Error): Reply => [error, undefined],
      ),
    );
    return Promise.all(writes);
  }

  const keys = createKeys(prefix);
  return { connection, keys, health, replicas, confirmed, reply, run, write, assertUsable, now };
}
