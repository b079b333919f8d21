import { type ChainableCommander, Redis } from 'ioredis';
import type { Grant } from '../domain/grant.ts';
import { type Store, StoreUnavailable } from '../domain/store.ts';
import { gatheredGet } from './gathered-get.ts';
import { decodeRecord, encodeRecord } from './record.ts';
import { PROLONG, REVOKE } from './scripts.ts';

export interface RedisStoreOptions {
  /** `redis://` or `rediss://`. */
  readonly url: string;
  /** Before every key. */
  readonly prefix: string;
  /** For connecting and for each command. */
  readonly timeoutMs: number;
  readonly now?: () => number;
  /** Told of each change: connected, or lost and why. */
  readonly onState?: (state: 'up' | 'down', error?: Error) => void;
}

/** How many of a subject's grants one round trip ends, or about so many. */
const PAGE = 500;

/** An index outlives its grants by this much, and its entries by more than clocks are apart. */
const SLACK_MS = 60_000;
const SKEW_MS = 3_600_000;

/**
 * Grants in Redis 7 or Valkey, each a record under `<prefix>grant:<id>` that Redis lets expire.
 *
 * `<prefix>subject:<client>:<subject>` is a sorted set of ids by expiry. It is written before the
 * grants, and may name some that are gone: the grant under its own key decides.
 */
export function createRedisStore(options: RedisStoreOptions): Store {
  const { prefix, now = Date.now } = options;
  const redis = connect(options);
  const get = gatheredGet(redis);
  const grantKey = (id: string) => `${prefix}grant:${id}`;
  const subjectKey = (client: string, subject: string) => `${prefix}subject:${client}:${subject}`;

  /** Every failure of Redis, whatever its kind, is one thing to a caller. */
  async function ask<T>(what: Promise<T>): Promise<T> {
    try {
      return await what;
    } catch (error) {
      throw new StoreUnavailable((error as Error).message, { cause: error });
    }
  }

  function read(record: string): Grant {
    try {
      return decodeRecord(record);
    } catch (error) {
      throw new StoreUnavailable(`Redis holds ${(error as Error).message}`, { cause: error });
    }
  }

  async function find(id: string): Promise<Grant | undefined> {
    const record = await ask(get(grantKey(id)));
    return record === null ? undefined : read(record);
  }

  return {
    async issue(issued) {
      const transaction = redis.multi();
      for (const [key, { ids, last }] of bySubject(issued, subjectKey)) {
        transaction.zremrangebyscore(key, '-inf', now() - SKEW_MS);
        enter(transaction, key, ids, last - now());
      }
      for (const [id, grant] of issued) {
        const left = grant.expiresAt - now();
        transaction.set(grantKey(id), encodeRecord(grant), 'PX', Math.max(1, left));
      }
      await ask(all(transaction.exec()));
    },

    find,

    async prolong(id, client, expiresAt) {
      const before = await find(id);
      if (before?.client !== client) return undefined;
      // The index first, as at issue: what is missing there outlives revokeSubject.
      if (before.subject !== undefined) {
        const key = subjectKey(client, before.subject);
        await ask(all(enter(redis.multi(), key, [expiresAt, id], expiresAt - now()).exec()));
      }
      const left = Math.max(1, expiresAt - now());
      const record = await ask(redis.eval(PROLONG, 1, grantKey(id), client, expiresAt, left));
      return typeof record === 'string' ? read(record) : undefined;
    },

    async revoke(id, client) {
      return (await ask(redis.eval(REVOKE, 1, grantKey(id), client))) === 1;
    },

    async revokeSubject(client, subject) {
      const key = subjectKey(client, subject);
      let revoked = 0;
      // A scan meets all that stays in the set meanwhile, whatever else is taken out of it. An id
      // whose grant is not there is left: its issue may be under way.
      for (let cursor = '0'; ; ) {
        const [next, found] = await ask(redis.zscan(key, cursor, 'COUNT', PAGE));
        const ids = found.filter((_, i) => i % 2 === 0);
        const replies = await ask(
          all(redis.pipeline(ids.map((id) => ['unlink', grantKey(id)])).exec()),
        );
        const ended = ids.filter((_, i) => replies[i] === 1);
        if (ended.length > 0) await ask(redis.zrem(key, ...ended));
        revoked += ended.length;
        if (next === '0') return revoked;
        cursor = next;
      }
    },

    async check() {
      const [, info] = await ask(
        Promise.all([
          redis.set(`${prefix}ready`, String(now()), 'PX', 1000),
          // Not every Redis lets its clients ask.
          redis.info('memory').catch(() => ''),
        ]),
      );
      const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1];
      if (policy === undefined || policy === 'noeviction') return {};
      return {
        warning: `maxmemory-policy is ${policy}: Redis may drop live tokens and revocations by subject; set it to noeviction`,
      };
    },

    async close() {
      redis.removeAllListeners('close');
      redis.disconnect();
    },
  };
}

type Replies = Array<[error: Error | null, reply: unknown]> | null;

/** The replies to a batch of commands; the error of any one fails them all. */
async function all(batch: Promise<Replies>): Promise<unknown[]> {
  const replies = await batch;
  if (replies === null) throw new Error('the transaction was dropped');
  return replies.map(([error, reply]) => {
    if (error !== null) throw error;
    return reply;
  });
}

/** Enters ids, each after its score, in a set that lives as long as its longest grant. */
function enter(
  batch: ChainableCommander,
  key: string,
  ids: ReadonlyArray<string | number>,
  left: number,
): ChainableCommander {
  batch.zadd(key, 'GT', ...ids);
  // NX for a new set, GT for an older one; by Redis' own clock, as its grants.
  return batch.pexpire(key, left + SLACK_MS, 'NX').pexpire(key, left + SLACK_MS, 'GT');
}

/** The sorted-set members to add for each subject: score and id in turn. */
function bySubject(
  issued: ReadonlyArray<readonly [string, Grant]>,
  keyOf: (client: string, subject: string) => string,
): Map<string, { ids: Array<string | number>; last: number }> {
  const sets = new Map<string, { ids: Array<string | number>; last: number }>();
  for (const [id, { client, subject, expiresAt }] of issued) {
    if (subject === undefined) continue;
    const key = keyOf(client, subject);
    const set = sets.get(key) ?? { ids: [], last: 0 };
    set.ids.push(expiresAt, id);
    set.last = Math.max(set.last, expiresAt);
    sets.set(key, set);
  }
  return sets;
}

/** A connection that never queues: without Redis a command fails at once, and it reconnects. */
function connect({ url, timeoutMs, onState }: RedisStoreOptions): Redis {
  const redis = new Redis(url, {
    commandTimeout: timeoutMs,
    connectTimeout: Math.max(timeoutMs, 1000),
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    retryStrategy: (attempt) => Math.min(50 * attempt, 1000),
  });
  redis.on('ready', () => onState?.('up'));
  redis.on('error', (error: Error) => onState?.('down', error));
  redis.on('close', () => onState?.('down'));
  return redis;
}
