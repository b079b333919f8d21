import { type Grant, type KnownRequester, rememberedUntil } from '../domain/grant.ts';
import { MAX_REQUESTERS } from '../domain/grant-fields.ts';
import { nextTurn } from '../domain/queue.ts';
import type { Entry, Store, Turn } from '../domain/store.ts';
import { checkedUrl } from './access.ts';
import { createRead, createReadTimed, type Stored } from './batched.ts';
import { type ConnectOptions, type Reply, replyOrThrow } from './connection.ts';
import { createAddDelivered, DELIVERED_FIELD, decodeDelivered } from './delivered.ts';
import { createEvictionGuard } from './eviction.ts';
import { createStoreHealth } from './health.ts';
import { createEnter, createIssuing, type Enter } from './issuing.ts';
import { createKeys } from './keys.ts';
import { createProlonging } from './prolonging.ts';
import { decodeRequesters, encodeRecord, REVOKED } from './record.ts';
import { createReplicas, type Replicas } from './replicas.ts';
import * as scripts from './scripts.ts';
import { connect } from './server.ts';

export interface RedisStoreOptions extends ConnectOptions {
  /** Prefix of every key. */
  readonly prefix: string;
  /** How many replicas must confirm a revocation or a new requester; 0: none. */
  readonly replicas?: number;
  /** Called if something that an operator should change is new. */
  readonly onWarning?: (warning: string) => void;
  readonly now?: () => number;
}

/** Grants that a revocation ends in one piece, and requesters that are read in one: about a millisecond. */
const PIECE = 200;

/**
 * Grants in Redis 7 or Valkey, each a record under `<prefix>grant:{<id>}` that expires. Its requesters
 * are in a hash, `<prefix>uses:{<id>}`.
 *
 * Each grant is in the indexes of keys.ts. They may name grants that have ended: only the key of a grant shows
 * whether it exists.
 */
export function createRedisStore(options: RedisStoreOptions): Store {
  const { prefix, now = Date.now, replicas: wanted = 0 } = options;
  const { kind } = checkedUrl(options.url);
  const connection = connect(options, async () => {
    const written = writeAll().then((replies) => replies.forEach(replyOrThrow));
    // Even if no write is accepted: a full Redis has tokens that can be looked up.
    const checked = connection.infos('memory', 'replication').then(health.warn);
    await Promise.all([written, checked, replicas?.learn()]);
    eviction.requireAccepted();
  });
  const replicas =
    wanted > 0
      ? createReplicas(connection, { ...options, wanted, key: `${prefix}confirmed` })
      : undefined;
  const confirmed: Replicas['confirmed'] = replicas?.confirmed ?? ((_, operation) => operation());
  const eviction = createEvictionGuard(options.observer);
  const { onWarning } = options;
  const health = createStoreHealth(connection, {
    ...{ kind, prefix, wanted, replicas, eviction, onWarning, writeAll },
  });
  const { redis, mget, mgetTimed, failureOf } = connection;
  const reading = { mget, mgetTimed, failureOf, assertMaster: assertUsable };
  const read = createRead(reading);
  const readTimed = createReadTimed(reading);
  const keys = createKeys(prefix);

  /** Throws if no reply of this Redis may be used. */
  function assertUsable(): void {
    connection.assertMaster();
    eviction.assertAccepted();
  }

  /** Every failure of Redis is a `StoreUnavailable`. */
  async function reply<T>(command: () => Promise<T>): Promise<T> {
    try {
      assertUsable();
      return await command();
    } catch (error) {
      throw failureOf(error as Error);
    }
  }

  /** Sends whole scripts, not their digests, which Redis loses when it restarts. */
  const run: scripts.Run = (script, names, args) =>
    reply(() => redis.eval(script, names.length, ...names, ...args));

  /** Writes a key that means nothing to each of the masters. */
  async function write(masters: readonly string[]): Promise<readonly Reply[]> {
    if (masters.length === 0) return [[new Error('No master of the cluster is known'), undefined]];
    return connection.send(
      masters.map((master) => {
        const key = connection.keyOn(master, `${prefix}ready`);
        return ['set', key, now(), 'PX', 1000];
      }),
    );
  }

  function writeAll(): Promise<readonly Reply[]> {
    return write(connection.masterNames());
  }

  const lifeOf = ({ expiresAt }: Grant) => Math.max(1, expiresAt - now());
  const findExternal = (id: string) => read(keys.grant(id));
  const find = (id: string) => findExternal(id).then(live);

  const enterOnce = createEnter(connection);
  // In a cluster, a failover could lose the entry but not the grant. A revocation of the subject would miss it.
  const enter: Enter = connection.isCluster
    ? (index, entries) => confirmed(index, () => enterOnce(index, entries))
    : enterOnce;
  const issue = createIssuing(connection, { keys, enter, lifeOf });
  const waits = replicas !== undefined;
  const prolong = createProlonging(connection, { keys, enter, find, run, confirmed, waits, now });
  const addDelivered = createAddDelivered(connection, {
    keys,
    run,
    async write(master) {
      assertUsable();
      (await write([master])).forEach(replyOrThrow);
    },
  });

  /** Ends all grants that an index names, and counts them. */
  async function endAll(index: string, turn: Turn): Promise<number> {
    let ended = 0;
    for (;;) {
      await turn();
      // In a cluster, a failover could undo the removal of a grant, but not the removal from the index.
      const confirmGrants = connection.isCluster ? replicas?.begin() : undefined;
      const ids = await reply(() => redis.zrange(index, 0, String(PIECE - 1)));
      if (ids.length === 0) return ended;
      // Together: an unhandled rejection would end the process.
      const [, gone] = await Promise.all([
        reply(() => connection.unlink(ids.map(keys.uses))),
        reply(() => connection.unlink(ids.map(keys.grant))),
      ]);
      ended += gone;
      await confirmGrants?.();
      // Last, so that the next revocation or list finishes an interrupted one.
      await reply(() => redis.zrem(index, ...ids));
    }
  }

  /** Ends all grants that are in an index now. */
  function endIndex(index: string, turn: Turn): Promise<number> {
    const ending = keys.ending(index);
    return confirmed(undefined, async () => {
      let revoked = 0;
      for (let isBusy: unknown = 1; isBusy === 1; ) {
        isBusy = await run(scripts.START_ENDING, [index, ending], []);
        revoked += await endAll(ending, turn);
      }
      return revoked;
    });
  }

  return {
    find,
    findExternal,
    issue: (issued) => reply(() => issue(issued)),

    async findTimed(id) {
      const { stored, leftMs } = await readTimed(keys.grant(id));
      const grant = live(stored);
      return grant && { grant, leftMs };
    },

    async requesters(id, turn = nextTurn) {
      const known: KnownRequester[] = [];
      // The number of all requesters is in the first reply.
      for (let [first, total] = [1, 1]; first <= total; first += PIECE) {
        await turn();
        const places = Array.from({ length: PIECE }, (_, i) => `s${first + i}`);
        const [count, forgotten, ...held] = await reply(() =>
          redis.hmget(keys.uses(id), 't', 'h', ...places),
        );
        known.push(...decodeRequesters(held));
        total = Number(count);
        // The oldest ones beyond the maximum were dropped.
        first = Math.max(first, Number(forgotten) + 1 - PIECE);
      }
      return known;
    },

    addDelivered,

    async delivered(id) {
      const field = await reply(() => redis.hget(keys.uses(id), DELIVERED_FIELD));
      return field === null ? undefined : decodeDelivered(field);
    },

    async saveExternal(id, grant) {
      // Negative if that time has passed, so that no requester starts, not even in this millisecond.
      const admitted = grant.expiresAt - now();
      const args = [encodeRecord(grant), admitted, rememberedUntil(grant)];
      await run(scripts.SAVE_EXTERNAL, [keys.grant(id)], args);
    },

    async revokeExternal(id, until) {
      const key = keys.grant(id);
      await confirmed(key, () => run(scripts.REVOKE_EXTERNAL, [key], [REVOKED, until ?? '']));
      // Not awaited: it expires. Not in the script: with two keys, it would fail while a slot moves.
      connection.unlink([keys.uses(id)]).catch(() => {});
    },

    async redeem(id, { cookies, address = '', newCookie }, count) {
      const key = keys.grant(id);
      const counting = replicas ? 2 : 1;
      const args = [count ? counting : 0, MAX_REQUESTERS, newCookie, address, ...cookies];
      const redeem = () => run(scripts.REDEEM, [key, keys.uses(id)], args);
      const isNeeded = (redeemed: unknown) =>
        redeemed === 'unconfirmed' || (redeemed === 'new' && count);
      const redeemed = await confirmed(key, redeem, isNeeded);
      if (replicas && isNeeded(redeemed)) {
        const marks = [newCookie, ...cookies].map((cookie) => `wc${cookie}`);
        // Not awaited: if it is lost, the next use is confirmed again.
        redis.hdel(keys.uses(id), `wa${address}`, ...marks).catch(() => {});
      }
      if (redeemed === 'unconfirmed') return 'known';
      return redeemed === 'known' || redeemed === 'new' ? redeemed : undefined;
    },

    async countAttempt(id, max) {
      const key = keys.grant(id);
      const count = () => run(scripts.COUNT_ATTEMPT, [key, keys.uses(id)], [max]);
      const attempts = await confirmed(key, count, (counted) => counted === 0);
      return typeof attempts === 'number' ? attempts : undefined;
    },

    async prolong(id, client, expiresAt) {
      const grant = await reply(() => prolong(id, client, expiresAt));
      // Not awaited: if the mark stays, the next change of the end is confirmed without need.
      if (replicas && grant) redis.hdel(keys.uses(id), 'we').catch(() => {});
      return grant;
    },

    async revoke(id, client) {
      const key = keys.grant(id);
      const revoke = () => run(scripts.REVOKE, [key, keys.uses(id)], [client, REVOKED]);
      const revoked = await confirmed(key, revoke);
      if (!Array.isArray(revoked)) return false;
      const [covers, subject] = revoked;
      const left = covers === undefined ? [] : keys.indexes({ client, covers, subject });
      // Not awaited: an index may name grants that are gone.
      for (const index of left) redis.zrem(index, id).catch(() => {});
      return true;
    },

    async list(client, selection, limit, after) {
      const { covers } = selection;
      const index = keys.index(client, selection);
      const ending = keys.ending(index);
      const args = [limit, ...(after === undefined ? [] : [after.end, after.id])];
      let page = await run(scripts.LIST, [index, ending], args);
      // Finish a revocation first: its grants must not be listed, and the client may check its result.
      for (; page === 1; page = await run(scripts.LIST, [index, ending], args)) {
        await endAll(ending, nextTurn);
      }
      const found = page as string[];
      const ids = found.filter((_, i) => i % 2 === 0);
      const grants = await Promise.all(ids.map(find));
      const entries = ids.flatMap((id, i): Entry[] => {
        const grant = grants[i];
        // Other paths have the same index.
        const isWanted = grant !== undefined && (covers ?? grant.covers) === grant.covers;
        return isWanted ? [[id, grant]] : [];
      });
      const last = ids.at(-1);
      const more = ids.length === limit && last !== undefined;
      return { entries, ...(more && { next: { id: last, end: Number(found.at(-1)) } }) };
    },

    revokeSubject: (client, subject, turn = nextTurn) =>
      endIndex(keys.index(client, { subject }), turn),
    revokeClient: (client, turn = nextTurn) => endIndex(keys.index(client, {}), turn),

    check: health.check,

    async close() {
      replicas?.close();
      connection.close();
    },
  };
}

function live(stored: Stored): Grant | undefined {
  return stored === 'revoked' ? undefined : stored;
}
