import { type Grant, latestEndOf, rememberedUntil } from '../domain/grant.ts';
import { MAX_REQUESTERS } from '../domain/grant-fields.ts';
import type { Entry, Store } from '../domain/store.ts';
import { checkedUrl } from './access.ts';
import { createRead, createReadTimed, createWrite, type Stored } from './batched.ts';
import { connectCluster } from './cluster.ts';
import { type Connection, type ConnectOptions, connect } from './connection.ts';
import { createClusterIssuing, createEnterAll } from './issuing-cluster.ts';
import { decodeRecord, decodeRequesters, encodeRecord, REVOKED } from './record.ts';
import * as scripts from './scripts.ts';

export interface RedisStoreOptions extends ConnectOptions {
  /** Prefix of every key. */
  readonly prefix: string;
  readonly now?: () => number;
}

/** How many of a subject's grants one round trip ends. */
const PAGE = 1000;

/**
 * Grants in Redis 7 or Valkey, each a record under `<prefix>grant:{<id>}` that expires. Its requesters
 * are in a hash, `<prefix>uses:{<id>}`.
 *
 * `<prefix>subject:{<client>:<subject>}` is a sorted set of token IDs by their end: the subject's
 * index. It may name grants that are gone; only the grant's own key decides. One script writes it before
 * the grants; issuing-cluster.ts says what differs in a cluster. The braces delimit each name and keep related keys in one cluster slot.
 */
export function createRedisStore(options: RedisStoreOptions): Store {
  const { prefix, now = Date.now } = options;
  const connectTo = checkedUrl(options.url).kind === 'cluster' ? connectCluster : connect;
  const writeReady = () => connection.setOnMasters(`${prefix}ready`, String(now()), 1000);
  const connection: Connection = connectTo(options, writeReady);
  const { redis } = connection;
  const read = createRead(connection);
  const readTimed = createReadTimed(connection);
  const write = createWrite(connection);
  const grantKey = (id: string) => `${prefix}grant:{${id}}`;
  const usesKey = (id: string) => `${prefix}uses:{${id}}`;
  const indexKey = (client: string, subject: string) => `${prefix}subject:{${client}:${subject}}`;
  /** Where `revokeSubject` moves the index. */
  const endingKey = (client: string, subject: string) => `${indexKey(client, subject)}:revoked`;

  /** Every failure of Redis is a `StoreUnavailable`. */
  async function reply<T>(command: Promise<T>): Promise<T> {
    try {
      return await command;
    } catch (error) {
      throw connection.failureOf(error as Error);
    }
  }

  /** Sends whole scripts: Redis forgets their digests when it restarts. */
  function run(script: string, keys: readonly string[], args: ReadonlyArray<string | number>) {
    return reply(redis.eval(script, keys.length, ...keys, ...args));
  }

  const lifeOf = ({ expiresAt }: Grant) => Math.max(1, expiresAt - now());
  const findExternal = (id: string) => read(grantKey(id));
  const find = (id: string) => findExternal(id).then(live);

  const enterAll = createEnterAll(connection, grantKey);

  async function issueTogether(issued: readonly Entry[]): Promise<void> {
    const indexes = new Map<string, number>();
    const args: Array<string | number> = [issued.length];
    for (const [, grant] of issued) {
      const { client, subject } = grant;
      let index = 0;
      if (subject !== undefined) {
        const key = indexKey(client, subject);
        index = indexes.get(key) ?? indexes.size + 1;
        indexes.set(key, index);
      }
      const left = lifeOf(grant);
      args.push(encodeRecord(grant), left, index, left + latestEndOf(grant) - grant.expiresAt);
    }
    const keys = [...issued.map(([id]) => grantKey(id)), ...indexes.keys()];
    await run(scripts.ISSUE, keys, args);
  }

  const keys = { grantKey, indexKey };
  const issueAll = connection.isCluster
    ? createClusterIssuing(connection, { ...keys, lifeOf, enterAll })
    : issueTogether;

  /** Ends all grants that an index names, and counts them. */
  async function endAll(index: string): Promise<number> {
    let ended = 0;
    for (;;) {
      const ids = await reply(redis.zrange(index, 0, String(PAGE - 1)));
      if (ids.length === 0) return ended;
      // Together: an unhandled rejection would end the process.
      const [, gone] = await Promise.all([
        reply(connection.unlink(ids.map(usesKey))),
        reply(connection.unlink(ids.map(grantKey))),
      ]);
      ended += gone;
      // Last, so that the next revocation or list finishes an interrupted one.
      await reply(redis.zrem(index, ...ids));
    }
  }

  return {
    find,
    findExternal,

    issue(issued) {
      const [first, ...more] = issued;
      if (first === undefined || more.length > 0 || first[1].subject !== undefined) {
        return reply(issueAll(issued));
      }
      // The same without the script, at a lower cost: no index names this grant.
      const [id, grant] = first;
      return reply(write(grantKey(id), grant, lifeOf(grant)));
    },

    async findTimed(id) {
      const { stored, leftMs } = await readTimed(grantKey(id));
      const grant = live(stored);
      return grant && { grant, leftMs };
    },

    async requesters(id) {
      return decodeRequesters(await reply(redis.hgetall(usesKey(id))));
    },

    async saveExternal(id, grant) {
      // Negative if it is over: then no requester starts, not even in this millisecond.
      const admitted = grant.expiresAt - now();
      const args = [encodeRecord(grant), admitted, rememberedUntil(grant)];
      await run(scripts.SAVE_EXTERNAL, [grantKey(id)], args);
    },

    async revokeExternal(id, until) {
      await run(scripts.REVOKE_EXTERNAL, [grantKey(id)], [REVOKED, until ?? '']);
    },

    async redeem(id, { cookies, address = '', newCookie }, count) {
      const args = [count ? 1 : 0, MAX_REQUESTERS, newCookie, address, ...cookies];
      const redeemed = await run(scripts.REDEEM, [grantKey(id), usesKey(id)], args);
      return redeemed === 'known' || redeemed === 'new' ? redeemed : undefined;
    },

    async countAttempt(id, max) {
      const attempts = await run(scripts.COUNT_ATTEMPT, [grantKey(id), usesKey(id)], [max]);
      return typeof attempts === 'number' ? attempts : undefined;
    },

    async prolong(id, client, expiresAt) {
      const before = await find(id);
      if (before?.client !== client) return undefined;
      const { subject, external } = before;
      let index = subject === undefined || external ? [] : [indexKey(client, subject)];
      const left = Math.max(1, expiresAt - now());
      const leftInIndex = left + latestEndOf(before) - before.expiresAt;
      if (connection.isCluster) {
        // Before the grant, which must not outlive its entry.
        for (const key of index) await reply(enterAll(key, [[id, leftInIndex]]));
        index = [];
      }
      const args = [client, expiresAt, left, leftInIndex];
      const record = await run(scripts.PROLONG, [grantKey(id), usesKey(id), ...index], args);
      return typeof record === 'string' ? (decodeRecord(record) as Grant) : undefined;
    },

    async revoke(id, client) {
      const subject = await run(scripts.REVOKE, [grantKey(id), usesKey(id)], [client, REVOKED]);
      if (typeof subject !== 'string') return false;
      // Not awaited: an index may name grants that are gone.
      if (subject !== '') redis.zrem(indexKey(client, subject), id).catch(() => {});
      return true;
    },

    async list(client, subject, limit, after) {
      const [index, ending] = [indexKey(client, subject), endingKey(client, subject)];
      const args = [limit, ...(after === undefined ? [] : [after.end, after.id])];
      let page = await run(scripts.LIST, [index, ending], args);
      // Finish a revocation first: its grants must not be listed, and the client may check its result.
      for (; page === 1; page = await run(scripts.LIST, [index, ending], args)) {
        await endAll(ending);
      }
      const found = page as string[];
      const ids = found.filter((_, i) => i % 2 === 0);
      const grants = await Promise.all(ids.map(find));
      const entries = ids.flatMap((id, i): Entry[] => {
        const grant = grants[i];
        return grant === undefined ? [] : [[id, grant]];
      });
      const last = ids.at(-1);
      const more = ids.length === limit && last !== undefined;
      return { entries, ...(more && { next: { id: last, end: Number(found.at(-1)) } }) };
    },

    async revokeSubject(client, subject) {
      const [index, ending] = [indexKey(client, subject), endingKey(client, subject)];
      let revoked = 0;
      for (let isBusy: unknown = 1; isBusy === 1; ) {
        isBusy = await run(scripts.START_ENDING, [index, ending], []);
        revoked += await endAll(ending);
      }
      return revoked;
    },

    async check() {
      const [, infos] = await reply(Promise.all([writeReady(), connection.infos('memory')]));
      const policies = infos.map((info) => /^maxmemory_policy:(\S+)/m.exec(info)?.[1]);
      const policy = policies.find((name) => name !== undefined && name !== 'noeviction');
      if (policy === undefined) return {};
      return {
        warning: `maxmemory-policy is ${policy}: Redis may drop live tokens and revocations by subject; set it to noeviction`,
      };
    },

    async close() {
      connection.close();
    },
  };
}

function live(stored: Stored): Grant | undefined {
  return stored === 'revoked' ? undefined : stored;
}
