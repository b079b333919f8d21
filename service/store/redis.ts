import { type Grant, latestEndOf, rememberedUntil } from '../domain/grant.ts';
import { MAX_REQUESTERS } from '../domain/grant-fields.ts';
import type { Entry, Store } from '../domain/store.ts';
import { checkedUrl } from './access.ts';
import { connectCluster } from './cluster.ts';
import { type Connection, type ConnectOptions, connect } from './connection.ts';
import { createIssuing } from './issuing.ts';
import { createEnterAll } from './issuing-cluster.ts';
import { createRead, createReadTimed, decoded, type Found, known } from './read.ts';
import { decodeRequesters, encodeRecord, REVOKED } from './record.ts';
import { ADOPT, CUT, DISOWN, LIST, PROLONG, REDEEM, REVOKE } from './scripts.ts';

export interface RedisStoreOptions extends ConnectOptions {
  /** Before every key. */
  readonly prefix: string;
  readonly now?: () => number;
}

/** How many of a subject's grants one round trip ends. */
const PAGE = 1000;

/**
 * Grants in Redis 7 or Valkey, each a record under `<prefix>grant:{<id>}` that Redis lets expire;
 * those who use it are in a hash, `<prefix>uses:{<id>}`.
 *
 * `<prefix>subject:{<client>:<subject>}` is a sorted set of ids by when they end. It is written
 * before the grants, and may name some that are gone: the grant under its own key decides. The
 * braces close each name, and keep what belongs to it in one slot of a cluster.
 */
export function createRedisStore(options: RedisStoreOptions): Store {
  const { prefix, now = Date.now } = options;
  const connectTo = checkedUrl(options.url).kind === 'cluster' ? connectCluster : connect;
  const writeReady = () => connection.setOnMasters(`${prefix}ready`, String(now()), 1000);
  const connection: Connection = connectTo(options, writeReady);
  const { redis } = connection;
  const read = createRead(connection);
  const readTimed = createReadTimed(connection);
  const grantKey = (id: string) => `${prefix}grant:{${id}}`;
  const usesKey = (id: string) => `${prefix}uses:{${id}}`;
  const indexKey = (client: string, subject: string) => `${prefix}subject:{${client}:${subject}}`;
  const cutKey = (client: string, subject: string) => `${indexKey(client, subject)}:revoked`;

  /** Every failure of Redis, whatever its kind, is one thing to a caller. */
  async function ask<T>(what: Promise<T>): Promise<T> {
    try {
      return await what;
    } catch (error) {
      throw connection.failureOf(error as Error);
    }
  }

  /** Whole scripts, not their digests: Redis keeps those by digest, and forgets them at a restart. */
  function run(script: string, keys: readonly string[], args: ReadonlyArray<string | number>) {
    return ask(redis.eval(script, keys.length, ...keys, ...args));
  }

  const enterAll = createEnterAll(connection, grantKey);
  const issue = createIssuing(connection, { now, grantKey, indexKey });
  const recall = (id: string) => read(grantKey(id));
  const find = (id: string) => recall(id).then(live);

  /** Ends all that an index names, and counts it. */
  async function endAll(index: string): Promise<number> {
    let ended = 0;
    for (;;) {
      const ids = await ask(redis.zrange(index, 0, String(PAGE - 1)));
      if (ids.length === 0) return ended;
      const keys = ids.map(grantKey);
      // Together: a failure that nobody waits for would end the process.
      const [, gone] = await Promise.all([
        ask(connection.unlink(ids.map(usesKey))),
        ask(connection.unlink(keys)),
      ]);
      ended += gone;
      // Only now: what is broken off before is ended by the next one.
      await ask(redis.zrem(index, ...ids));
    }
  }

  return {
    issue: (issued) => ask(issue(issued)),

    find,
    recall,

    async findTimed(id) {
      const { found, leftMs } = await readTimed(grantKey(id));
      const grant = live(found);
      return grant && { grant, leftMs };
    },

    async requesters(id) {
      return decodeRequesters(await ask(redis.hgetall(usesKey(id))));
    },

    async adopt(id, grant) {
      // Negative where it is over: then nobody starts, not in this millisecond either.
      const admitted = grant.expiresAt - now();
      const args = [encodeRecord(grant), admitted, rememberedUntil(grant)];
      await run(ADOPT, [grantKey(id)], args);
    },

    async disown(id, until) {
      await run(DISOWN, [grantKey(id)], [REVOKED, until ?? '']);
    },

    async redeem(id, { cookies, address = '', newCookie }, count) {
      const args = [count ? 1 : 0, MAX_REQUESTERS, newCookie, address, ...cookies];
      const redeemed = await run(REDEEM, [grantKey(id), usesKey(id)], args);
      return redeemed === 'known' || redeemed === 'new' ? redeemed : undefined;
    },

    async prolong(id, client, expiresAt) {
      const before = await find(id);
      if (before?.client !== client) return undefined;
      const { subject, foreign } = before;
      let index = subject === undefined || foreign ? [] : [indexKey(client, subject)];
      const left = Math.max(1, expiresAt - now());
      const leftInIndex = left + latestEndOf(before) - before.expiresAt;
      if (connection.isCluster) {
        // Before the grant, which must not outlive its entry.
        for (const key of index) await ask(enterAll(key, [[id, leftInIndex]]));
        index = [];
      }
      const args = [client, expiresAt, left, leftInIndex];
      const record = await run(PROLONG, [grantKey(id), usesKey(id), ...index], args);
      return typeof record === 'string' ? (known(decoded(record)) as Grant) : undefined;
    },

    async revoke(id, client) {
      const subject = await run(REVOKE, [grantKey(id), usesKey(id)], [client, REVOKED]);
      if (typeof subject !== 'string') return false;
      // Nobody waits for it: an index may name what is gone.
      if (subject !== '') redis.zrem(indexKey(client, subject), id).catch(() => {});
      return true;
    },

    async list(client, subject, limit, after) {
      const keys = [indexKey(client, subject), cutKey(client, subject)];
      const args = [limit, ...(after === undefined ? [] : [after.end, after.id])];
      let page = await run(LIST, keys, args);
      // What is to be ended is not listed; and who asks may want to see that it has.
      for (; page === 1; page = await run(LIST, keys, args)) await endAll(cutKey(client, subject));
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
      const [index, cut] = [indexKey(client, subject), cutKey(client, subject)];
      let revoked = 0;
      for (let leftBehind: unknown = 1; leftBehind === 1; ) {
        leftBehind = await run(CUT, [index, cut], []);
        revoked += await endAll(cut);
      }
      return revoked;
    },

    async check() {
      const [, infos] = await ask(Promise.all([writeReady(), connection.infos('memory')]));
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

function live(found: Found): Grant | undefined {
  return found === 'revoked' ? undefined : found;
}
