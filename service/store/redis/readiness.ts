import { type Health, StoreUnavailable } from '../../token/store.ts';
import { type Connection, type Reply, replyOrThrow } from '../connection/connection.ts';
import type { createEvictionGuard } from '../connection/eviction.ts';
import type { StoreUrl } from '../connection/url.ts';
import type { Replicas } from './replicas.ts';
import { CHECKED_COMMANDS, FORBIDDEN } from './scripts.ts';

/** With two, no failover happens if the machine of the master and of one sentinel fails. */
const MIN_SENTINELS = 3;

interface HealthOptions {
  readonly kind: StoreUrl['kind'];
  readonly prefix: string;
  readonly wanted: number;
  readonly replicas: Replicas | undefined;
  readonly eviction: ReturnType<typeof createEvictionGuard>;
  /** Called if something that an operator should change is new. */
  readonly onWarning: ((warning: string) => void) | undefined;
  /** Writes to each master. */
  readonly writeAll: () => Promise<readonly Reply[]>;
}

/** Checks all servers, and finds what an operator should change. */
export function createStoreHealth(connection: Connection, options: HealthOptions) {
  const { kind, prefix, wanted, replicas, eviction, onWarning, writeAll } = options;
  const store = kind === 'sentinel' || kind === 'cluster' ? kind : 'server';
  let warned: string | undefined;

  async function check(): Promise<Health> {
    const confirm = replicas?.begin();
    let health: Health | undefined;
    try {
      const [replies, infos] = await Promise.all([
        writeAll(),
        connection.infos('memory', 'replication'),
      ]);
      const answering = replies.filter(([error]) => error === null).length;
      const counts = infos.map((info) => Number(/^connected_slaves:(\d+)/m.exec(info)?.[1]));
      const areKnown = counts.length > 0 && !counts.includes(Number.NaN);
      const fewest = areKnown ? { replicas: Math.min(...counts) } : {};
      health = { store, masters: replies.length, answering, ...fewest, wanted };
      replies.forEach(replyOrThrow);
      const warning = warn(infos);
      if (warning !== undefined) health = { ...health, warning };
      eviction.requireAccepted();
      await requirePermissions();
      await confirm?.();
      return health;
    } catch (error) {
      const failure = connection.failureOf(error as Error);
      if (health !== undefined) failure.health = health;
      throw failure;
    }
  }

  /** The checks above use few commands. The user may lack a permission that only requests need. */
  async function requirePermissions(): Promise<void> {
    const keys = connection.masterNames().map((name) => connection.keyOn(name, `${prefix}ready`));
    const lists = await Promise.all(
      keys.map((key) => connection.redis.eval(FORBIDDEN, 1, `${key}:rights`)),
    );
    if (lists.every((list) => Array.isArray(list) && list.length === 0)) return;
    // This shows only known names: /readyz needs no key, and a server can reply with anything.
    const replied = new Set(lists.flat());
    const commands = CHECKED_COMMANDS.filter((command) => replied.has(command)).join(', ');
    const shown = `The Redis user of POSTERN_STORE lacks a permission (NOPERM to ${commands || 'a command'})`;
    throw new StoreUnavailable(shown, { shown });
  }

  /**
   * Returns what an operator should change, and reports it once. Throws if Redis must not be used. The first
   * argument is INFO memory and INFO replication of each master.
   */
  function warn(infos: readonly string[]): string | undefined {
    const { sentinels = MIN_SENTINELS } = connection;
    const warnings = [
      eviction.check(infos, connection.masterNames().length),
      sentinels < MIN_SENTINELS
        ? `too few sentinels: ${sentinels} instead of ${MIN_SENTINELS} or more`
        : undefined,
    ];
    const warning = warnings.filter((one) => one !== undefined).join('; ') || undefined;
    if (warning !== undefined && warning !== warned) onWarning?.(warning);
    warned = warning;
    return warning;
  }

  return { check, warn };
}
