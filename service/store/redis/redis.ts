import type { Store } from '../../token/store.ts';
import { type ConnectOptions, type Reply, replyOrThrow } from '../connection/connection.ts';
import { connect } from '../connection/server.ts';
import { createCounting } from './counting.ts';
import { createIssues } from './issues.ts';
import { createKeys } from './key-names.ts';
import { createStoreHealth } from './readiness.ts';
import { createReads } from './reads.ts';
import { createReplicas, type Replicas } from './replicas.ts';
import { createRevocations } from './revocations.ts';
import type { Run } from './scripts.ts';
import { createAddDelivered } from './sent-bytes.ts';
import type { Shared } from './shared.ts';

export interface RedisStoreOptions extends ConnectOptions {
  readonly prefix: string;
  /** How many replicas must confirm a revocation or a new requester; 0: none. */
  readonly replicas?: number;
  /** Called if something that an operator should change is new. */
  readonly onWarning?: (warning: string) => void;
  readonly now?: () => number;
}

/**
 * Grants in Redis 7 or Valkey, each a record under `<prefix>grant:{<id>}` that expires. Its requesters
 * are in a hash, `<prefix>uses:{<id>}`. Its indexes may name grants that have ended: only the key of a grant shows
 * whether it exists.
 */
export function createRedisStore(options: RedisStoreOptions): Store {
  const { prefix, now = Date.now, replicas: wanted = 0 } = options;
  const connection = connect(options, async () => {
    const written = write().then((replies) => replies.forEach(replyOrThrow));
    // Even if no write is accepted: a full Redis has tokens that can be looked up.
    const checked = connection.infos('memory', 'replication').then(health.warn);
    await Promise.all([written, checked, replicas?.learn()]);
    health.requireAccepted();
  });
  const replicas =
    wanted > 0
      ? createReplicas(connection, { ...options, wanted, key: `${prefix}confirmed` })
      : undefined;
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
    reply(() => connection.redis.eval(script, names.length, ...names, ...args));

  /** Writes a key that means nothing to each of the masters. */
  async function write(masters = connection.masterNames()): Promise<readonly Reply[]> {
    if (masters.length === 0) return [[new Error('No master of the cluster is known'), undefined]];
    return connection.send(
      masters.map((master) => {
        const key = connection.keyOn(master, `${prefix}ready`);
        return ['set', key, now(), 'PX', 1000];
      }),
    );
  }

  const shared: Shared = { connection, keys, reply, run, assertUsable, replicas, confirmed, now };
  const { revocations, endPiece } = createRevocations(shared);
  const reads = createReads(shared, endPiece);
  return {
    ...reads,
    ...createIssues(shared, reads.find),
    ...createCounting(shared),
    ...revocations,
    addDelivered: createAddDelivered(shared, async (master) => {
      assertUsable();
      (await write([master])).forEach(replyOrThrow);
    }),
    check: health.check,
    async close() {
      replicas?.close();
      connection.close();
    },
  };
}
