import { type Health, StoreUnavailable } from '../domain/store.ts';
import type { StoreUrl } from '../store-url.ts';
import { type Connection, type Reply, replyOrThrow } from './connection.ts';
import type { Replicas } from './replicas.ts';
import { FORBIDDEN } from './scripts.ts';

/** With two, no failover happens if the machine of the master and of one sentinel fails. */
const MIN_SENTINELS = 3;

interface HealthOptions {
  readonly kind: StoreUrl['kind'];
  readonly prefix: string;
  readonly wanted: number;
  readonly replicas: Replicas | undefined;
  /** Writes to each master. */
  readonly writeAll: () => Promise<readonly Reply[]>;
}

/** Checks all servers, and finds what an operator should change. */
export function createStoreHealth(connection: Connection, options: HealthOptions) {
  const { kind, prefix, wanted, replicas, writeAll } = options;
  const store = kind === 'sentinel' || kind === 'cluster' ? kind : 'server';

  async function check(): Promise<Health> {
    const confirm = replicas?.begin();
    const [replies, infos] = await Promise.all([
      writeAll(),
      connection.infos('memory', 'replication'),
    ]);
    const answering = replies.filter(([error]) => error === null).length;
    const counts = infos.map((info) => Number(/^connected_slaves:(\d+)/m.exec(info)?.[1]));
    const warning = warningOf(infos);
    const health: Health = {
      store,
      masters: replies.length,
      answering,
      ...(counts.length > 0 && !counts.includes(Number.NaN) && { replicas: Math.min(...counts) }),
      wanted,
      ...(warning !== undefined && { warning }),
    };
    try {
      replies.forEach(replyOrThrow);
      await requirePermissions();
      await confirm?.();
      return health;
    } catch (error) {
      const failure = connection.failureOf(error as Error);
      failure.health = health;
      throw failure;
    }
  }

  /** The checks above use few commands. The user may lack a permission that only requests need. */
  async function requirePermissions(): Promise<void> {
    const keys = connection.masterNames().map((name) => connection.keyOn(name, `${prefix}ready`));
    const lists = await Promise.all(
      keys.map((key) => connection.redis.eval(FORBIDDEN, 1, `${key}:rights`)),
    );
    const commands = [...new Set(lists.flat())].join(', ');
    if (commands === '') return;
    const shown = `The Redis user of POSTERN_STORE lacks a permission (NOPERM to ${commands})`;
    throw new StoreUnavailable(shown, { shown });
  }

  function warningOf(infos: readonly string[]): string | undefined {
    const policies = infos.map((info) => /^maxmemory_policy:(\S+)/m.exec(info)?.[1]);
    const policy = policies.find((name = 'noeviction') => name !== 'noeviction');
    const { sentinels = MIN_SENTINELS } = connection;
    const warnings = [
      policy !== undefined &&
        `maxmemory-policy is ${policy}: Redis may drop live tokens and revocations by subject; set it to noeviction`,
      sentinels < MIN_SENTINELS &&
        `too few sentinels: ${sentinels} instead of ${MIN_SENTINELS} or more`,
    ];
    return warnings.filter((warning) => warning !== false).join('; ') || undefined;
  }

  return {
    check,
    warning: async () => warningOf(await connection.infos('memory')),
  };
}
