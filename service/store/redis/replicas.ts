import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { coalesce } from '../../coalesce.ts';
import { Unacknowledged } from '../../token/store.ts';
import {
  type Connection,
  type RedisStoreOptions,
  type Reply,
  replyOrThrow,
} from '../connection/connection.ts';
import { codeOf, unexpected } from '../connection/failure.ts';
import { keepConnecting, streamOf, timed } from '../connection/ioredis.ts';

/** How long the key of the acknowledgments stays. */
const KEPT_MS = 86_400_000;

const RECONNECTED = 'The connection to Redis was lost before the replicas acknowledged';

export type Replicas = ReturnType<typeof createReplicas>;

/**
 * Acknowledges that replicas have what an operation wrote, with WAIT. An acknowledgment counts only if one
 * server was the master without interruption, from before the operation until WAIT answered.
 */
export function createReplicas(connection: Connection, options: RedisStoreOptions) {
  const { replicas: wanted = 0, timeoutMs } = options;
  const lines = new Map<Redis, ReturnType<typeof createLine>>();

  function lineOf(name: string, main: Redis) {
    const key = () => connection.keyOn(name, `${options.prefix}acknowledged`);
    const line = lines.get(main) ?? createLine(main, key, wanted, timeoutMs, connection.failureOf);
    lines.set(main, line);
    return line;
  }

  /** Call this before the first command of the operation. */
  function begin(key?: string) {
    const { redirections } = connection;
    const masterNow = () => (key === undefined ? undefined : connection.masterOf(key));
    const master = masterNow();
    const before = connection.masters();
    const acknowledges = new Map(
      [...before].map(([name, main]) => [name, lineOf(name, main).begin()] as const),
    );

    /** Call this after the last command. It rejects if too few replicas acknowledge. */
    return async function acknowledge(): Promise<void> {
      // A command that was redirected, or that a new table of slots sent elsewhere, may have changed another master.
      const isHere = master === masterNow() && redirections === connection.redirections;
      const names = master !== undefined && isHere ? [master] : connection.masterNames();
      const now = connection.masters();
      await Promise.all(
        names.map((name) => {
          const isSame = before.has(name) && before.get(name) === now.get(name);
          return isSame
            ? acknowledges.get(name)?.()
            : Promise.reject(new Unacknowledged(RECONNECTED));
        }),
      );
    };
  }

  return {
    begin,

    /** Runs an operation on one key, or on any keys, and waits for its acknowledgment if it is needed. */
    async acknowledged<T>(
      key: string | undefined,
      run: () => Promise<T>,
      isNeeded: (result: T) => boolean = () => true,
    ): Promise<T> {
      // Otherwise the operation could wait, and be sent to another master than the current master.
      await connection.connected();
      const acknowledge = begin(key);
      try {
        const result = await run();
        if (!isNeeded(result)) return result;
        await acknowledge();
        options.observer?.acknowledged(true);
        return result;
      } catch (error) {
        if (error instanceof Unacknowledged) options.observer?.acknowledged(false);
        throw error;
      }
    },

    /** Learns which masters are connected. Call this on each new connection, and regularly. */
    async learn(): Promise<void> {
      const masters = connection.masters();
      const connected = new Set(masters.values());
      for (const [main, line] of lines) {
        if (connected.has(main)) continue;
        lines.delete(main);
        line.close();
      }
      await Promise.all([...masters].map(([name, main]) => lineOf(name, main).learn()));
    },

    close(): void {
      for (const line of lines.values()) line.close();
    },
  };
}

/** A connection only for WAIT, which delays all later commands. A promoted replica has a new replication ID. */
function createLine(
  main: Redis,
  key: () => string,
  wanted: number,
  timeoutMs: number,
  failureOf: Connection['failureOf'],
) {
  const ids = new WeakMap<object, string>();
  const second = main.duplicate({
    lazyConnect: false,
    enableOfflineQueue: false,
    retryStrategy: (attempt: number) => Math.min(50 * attempt, 200),
    reconnectOnError: (error: Error) => codeOf(error) === 'READONLY',
  });
  // Its commands report its errors.
  const close = keepConnecting(second);
  // Redis ends a WAIT up to 100 ms late.
  const waitMs = Math.ceil(timeoutMs / 2);

  async function learn(): Promise<string | undefined> {
    const stream = streamOf(main);
    const id = masterId(await timed(main.info('replication'), timeoutMs).catch(() => ''));
    if (stream === undefined || streamOf(main) !== stream) return undefined;
    if (id === undefined) ids.delete(stream);
    else ids.set(stream, id);
    return id;
  }

  // All replies that arrived together are handled before a WAIT, so that it covers their operations too.
  const barrier = coalesce(async () => {
    if (second.status !== 'ready') {
      await once(second, 'ready', { signal: AbortSignal.timeout(waitMs) });
    }
    // WAIT would reply immediately if there was no earlier write on this connection. A Redis without memory accepts no
    // SET, so the key stays, and PEXPIRE is the write. Without the key, PEXPIRE would change nothing.
    const commands = second.pipeline().set(key(), '', 'PX', KEPT_MS, 'NX').pexpire(key(), KEPT_MS);
    const replies = await timed(
      commands.wait(wanted, waitMs).info('replication').exec(),
      timeoutMs,
    );
    const [[failed] = [null], ...others] = (replies ?? []) as Reply[];
    const [changed, count, info] = others.map(replyOrThrow);
    if (changed !== 1) throw failed ?? unexpected();
    return { count: Number(count), id: masterId(info) };
  }, turn);

  return {
    learn,
    /** Returns a function that acknowledges what the main connection has written since this call. */
    begin() {
      const stream = streamOf(main);
      // The operation follows on the same connection, so this reply comes before those of the operation.
      const began = (stream && ids.get(stream)) ?? learn();
      return async (): Promise<void> => {
        const id = await began;
        if (id === undefined) throw new Unacknowledged('Redis did not report that it is a master');
        if (streamOf(main) !== stream) throw new Unacknowledged(RECONNECTED);
        const reached = await barrier().catch((error: Error) => {
          throw new Unacknowledged(`The replicas could not acknowledge: ${failureOf(error).shown}`);
        });
        if (reached.id !== id) {
          second.disconnect(true);
          void learn();
          throw new Unacknowledged('The master of Redis changed');
        }
        if (reached.count >= wanted) return;
        throw new Unacknowledged(`${reached.count} of ${wanted} replicas acknowledged in time`);
      };
    },
    close,
  };
}

/** The replication ID, if INFO replication comes from a master. A replica has the ID of its master. */
function masterId(info: unknown): string | undefined {
  if (!/^role:master/m.test(String(info))) return undefined;
  return /^master_replid:(\w+)/m.exec(String(info))?.[1];
}
