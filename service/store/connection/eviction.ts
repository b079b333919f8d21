import { StoreUnavailable } from '../../token/store.ts';
import type { StoreObserver } from './connection.ts';

const SAFE = 'noeviction';

/** The evicting policies of Redis and Valkey. The text of another one could be anything. */
const EVICTING = /^(?:allkeys|volatile)-(?:lru|lfu|lrm|random|ttl)$/;

const LOSS =
  'Redis may drop uses, revocations and live tokens. Run CONFIG SET maxmemory-policy noeviction on each master, and set it in redis.conf';

const UNREADABLE =
  'Postern cannot read maxmemory-policy: allow INFO (+info) to the Redis user of POSTERN_STORE';

/**
 * Refuses a Redis that may evict keys: a used or revoked token would open again. Grants have a lifetime, so the
 * policies `volatile-…` evict them, too. Without `maxmemory`, Redis evicts nothing, but a later `maxmemory` would
 * start the eviction, so the policy alone decides.
 *
 * The first policy decides. If it changes later, a refusal would stop every download, so that is a warning.
 */
export function createEvictionGuard(observer: StoreObserver | undefined) {
  let isAccepted = false;
  let refusal: StoreUnavailable | undefined;

  function refuse(why: string): never {
    refusal = new StoreUnavailable(why, { shown: why });
    throw refusal;
  }

  return {
    /**
     * Accepts the masters if the policy of each is known and safe. Returns a warning if one is not safe, or throws
     * if they were not accepted yet.
     *
     * @param infos INFO memory and INFO replication of each connected master; empty: unknown
     * @param masters how many masters there are
     */
    check(infos: readonly string[], masters: number): string | undefined {
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
      const why = `maxmemory-policy is ${named(unsafe)}: ${LOSS}`;
      return isAccepted ? why : refuse(why);
    },

    /** Throws if masters that answer do not tell their policy. */
    requireAccepted(): void {
      if (!isAccepted) refuse(UNREADABLE);
    },

    /** Throws until the masters are accepted. */
    assertAccepted(): void {
      if (!isAccepted) throw refusal ?? new Error('Connection is closed.');
    },
  };
}

function named(policy: string): string {
  return EVICTING.test(policy) ? policy : 'not noeviction';
}
