import type { Health, StoreUnavailable } from '../../token/store.ts';
import {
  type Connection,
  type RedisStoreOptions,
  type Reply,
  replyOrThrow,
} from '../connection/connection.ts';
import { failure } from '../connection/failure.ts';
import { checkedUrl } from '../connection/url.ts';
import type { Replicas } from './replicas.ts';

/** Two sentinels do not start a failover if the machine of the master and of one of them fails. */
const MIN_SENTINELS = 3;

/** The oldest version of Redis. Valkey reports a version of Redis, too. */
const MIN_VERSION = 7;

/** Returns the commands that the Redis user may not call. KEYS[1]: a key that nothing else uses. */
const FORBIDDEN = `
local key = KEYS[1]
local calls = {{'TIME'}, {'INFO', 'server'}, {'DEL', key}, {'UNLINK', key}, {'EXISTS', key},
  {'SET', key, '', 'PX', 1000}, {'GET', key}, {'MGET', key}, {'PTTL', key}, {'PEXPIRE', key, 1000},
  {'RENAME', key, key}, {'DEL', key},
  {'HSET', key, 'a', ''}, {'HGET', key, 'a'}, {'HMGET', key, 'a'}, {'HDEL', key, 'a'},
  {'ZADD', key, 0, 'a'}, {'ZCOUNT', key, 0, 0}, {'ZRANGE', key, 0, 0}, {'ZRANK', key, 'a'},
  {'ZSCORE', key, 'a'}, {'ZREM', key, 'a'}, {'ZREMRANGEBYRANK', key, 0, 0}}
local forbidden = {}
for _, call in ipairs(calls) do
  local reply = redis.pcall(unpack(call))
  local text = type(reply) == 'table' and reply.err
  if text and string.find(text, 'permission') then forbidden[#forbidden + 1] = call[1] end
end
return forbidden
`;

const CHECKED_COMMANDS: readonly string[] = [
  ...new Set([...FORBIDDEN.matchAll(/\{'([A-Z]+)'/g)].map(([, name = '']) => name)),
];

const SAFE = 'noeviction';

/** The evicting policies of Redis and Valkey. The text of another one could be anything. */
const EVICTING = /^(?:allkeys|volatile)-(?:lru|lfu|lrm|random|ttl)$/;

const LOSS =
  'Redis may drop uses, revocations and live tokens. Run CONFIG SET maxmemory-policy noeviction on each master, and set it in redis.conf';

const UNREADABLE =
  'Postern cannot read maxmemory-policy: allow INFO (+info) to the Redis user of POSTERN_STORE';

/**
 * Checks all servers, and finds what an operator should change. Refuses an old Redis, and one that may evict keys: a used
 * or revoked token would open again. Policies `volatile-…` evict grants, too, and a later `maxmemory` would start the
 * eviction, so the first policy decides. A later change is only a warning: a refusal would stop every download.
 * @param writeAll writes to each master
 */
export function createStoreHealth(
  connection: Connection,
  { prefix, url, replicas: wanted = 0, observer, onWarning }: RedisStoreOptions,
  replicas: Replicas | undefined,
  writeAll: () => Promise<readonly Reply[]>,
) {
  const { kind: store } = checkedUrl(url);
  let warned: string | undefined;
  let isAccepted = false;
  let unusable: StoreUnavailable | undefined;

  async function check(): Promise<Health> {
    const acknowledge = replicas?.begin();
    let health: Health | undefined;
    try {
      const [replies, infos] = await Promise.all([writeAll(), connection.infos()]);
      const answering = replies.filter(([error]) => error === null).length;
      const counts = infos.map((info) => Number(/^connected_slaves:(\d+)/m.exec(info)?.[1]));
      const areKnown = counts.length > 0 && !counts.includes(Number.NaN);
      const fewest = areKnown ? { replicas: Math.min(...counts) } : {};
      health = { store, masters: replies.length, answering, ...fewest, wanted };
      replies.forEach(replyOrThrow);
      const warning = judge(infos);
      if (warning !== undefined) health = { ...health, warning };
      requireAccepted();
      await requirePermissions();
      await acknowledge?.();
      return health;
    } catch (error) {
      const why = connection.failureOf(error as Error);
      if (health !== undefined) why.health = health;
      throw why;
    }
  }

  /** The checks above use few commands. The user may lack a permission that only requests need. */
  async function requirePermissions(): Promise<void> {
    const keys = connection.masterNames().map((name) => connection.keyOn(name, `${prefix}ready`));
    const lists = await Promise.all(
      keys.map((key) => connection.send(key, (redis) => redis.eval(FORBIDDEN, 1, `${key}:rights`))),
    );
    if (lists.every((list) => Array.isArray(list) && list.length === 0)) return;
    // This shows only known names: /readyz needs no key, and a server can reply with anything.
    const replied = new Set(lists.flat());
    const commands = CHECKED_COMMANDS.filter((command) => replied.has(command)).join(', ');
    throw failure(
      `The Redis user of POSTERN_STORE lacks a permission (NOPERM to ${commands || 'a command'})`,
    );
  }

  function exclude(why: string): never {
    unusable = failure(why);
    throw unusable;
  }

  /**
   * Accepts masters whose version and policy are known and safe. Throws if they must not be used. Returns what an operator
   * should change, and reports it once. `infos` is empty if nothing is known.
   */
  function judge(infos: readonly string[]): string | undefined {
    for (const info of infos) {
      const [, version = ''] = /^redis_version:(\d{1,3}(?:\.\d{1,5}){0,2})/m.exec(info) ?? [];
      if (version === '' || Number.parseInt(version, 10) >= MIN_VERSION) continue;
      isAccepted = false;
      const needed = `${MIN_VERSION}.0 or newer, or Valkey`;
      exclude(`Redis ${version} is too old: Postern needs Redis ${needed}`);
    }
    const { sentinels = MIN_SENTINELS } = connection;
    const warnings = [
      judgePolicies(infos),
      sentinels < MIN_SENTINELS
        ? `too few sentinels: ${sentinels} instead of ${MIN_SENTINELS} or more`
        : undefined,
    ];
    const warning = warnings.filter((one) => one !== undefined).join('; ') || undefined;
    if (warning !== undefined && warning !== warned) onWarning?.(warning);
    warned = warning;
    return warning;
  }

  function judgePolicies(infos: readonly string[]): string | undefined {
    const masters = connection.masterNames().length;
    const policies = infos.flatMap((info) => {
      const isReplica = /^role:slave/m.test(info);
      const [, policy] = /^maxmemory_policy:(\S+)/m.exec(info) ?? [];
      return isReplica || policy === undefined ? [] : [policy];
    });
    const unsafe = policies.find((policy) => policy !== SAFE);
    const areKnown = masters > 0 && policies.length >= masters;
    if (unsafe !== undefined || areKnown) observer?.evicts(unsafe !== undefined);
    isAccepted ||= unsafe === undefined && areKnown;
    if (unsafe === undefined) return undefined;
    const named = EVICTING.test(unsafe) ? unsafe : 'not noeviction';
    const why = `maxmemory-policy is ${named}: ${LOSS}`;
    return isAccepted ? why : exclude(why);
  }

  /** Throws if masters that answer do not tell their policy. */
  function requireAccepted(): void {
    if (!isAccepted) exclude(UNREADABLE);
  }

  return {
    check,
    judge,
    requireAccepted,

    /** Throws until the masters are accepted. */
    assertAccepted(): void {
      if (!isAccepted) throw unusable ?? new Error('Connection is closed.');
    },
  };
}
