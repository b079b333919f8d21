import { setImmediate as turn } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { Unconfirmed } from '../domain/store.ts';
import { type Connection, type ConnectOptions, replyOrThrow } from './connection.ts';
import { codeOf, failureOf, isReply } from './failure.ts';

export interface ReplicaOptions extends ConnectOptions {
  /** How many replicas of a master must confirm. */
  readonly wanted: number;
  /** Written before each WAIT. */
  readonly key: string;
  /** Called after each operation that needed a confirmation. */
  readonly onConfirm?: ((isConfirmed: boolean) => void) | undefined;
}

export type Replicas = ReturnType<typeof createReplicas>;

/**
 * Confirms that replicas have what an operation wrote, with WAIT. A confirmation counts only if one
 * server was the master without interruption, from before the operation until WAIT answered.
 */
export function createReplicas(connection: Connection, options: ReplicaOptions) {
  const lines = new Map<Redis, Line>();

  function lineOf(name: string, main: Redis): Line {
    const known = lines.get(main);
    if (known !== undefined) return known;
    const line = createLine(main, () => connection.keyOn(name, options.key), options);
    lines.set(main, line);
    return line;
  }

  /** To call before the first command of an operation. */
  function begin(key?: string) {
    const { redirections } = connection;
    const master = key === undefined ? undefined : connection.masterOf(key);
    const confirms = new Map<string, () => Promise<number>>();
    for (const [name, main] of connection.masters()) confirms.set(name, lineOf(name, main).begin());

    /** Resolves with the number of replicas that have it, of the master with the fewest. */
    return async function confirm(): Promise<number> {
      // A command that was redirected may have changed another master than the one of the key.
      const isHere = master !== undefined && redirections === connection.redirections;
      const names = isHere ? [master] : connection.masterNames();
      const counts = names.map(async (name) => {
        const confirmOne = confirms.get(name);
        if (confirmOne === undefined) throw new Unconfirmed('a master is not connected');
        return confirmOne();
      });
      return Math.min(...(await Promise.all(counts)));
    };
  }

  return {
    begin,

    /** Runs an operation on one key, or on any keys, and waits for its confirmation if it is needed. */
    async confirmed<T>(
      key: string | undefined,
      run: () => Promise<T>,
      isNeeded: (result: T) => boolean = () => true,
    ): Promise<T> {
      const confirm = begin(key);
      try {
        const result = await run();
        if (!isNeeded(result)) return result;
        await confirm();
        options.onConfirm?.(true);
        return result;
      } catch (error) {
        if (error instanceof Unconfirmed) options.onConfirm?.(false);
        throw error;
      }
    },

    /** Learns which masters are connected. To call on each new connection, and regularly. */
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

interface Line {
  learn(): Promise<void>;
  /** Returns a function that confirms what is written on the readers' connection in between. */
  begin(): () => Promise<number>;
  close(): void;
}

/**
 * The second connection to a master: WAIT holds up all commands behind it, so readers have their own.
 * The replication ID identifies a master: it is new when a replica is promoted.
 */
function createLine(main: Redis, key: () => string, { wanted, timeoutMs }: ReplicaOptions): Line {
  const ids = new WeakMap<object, string>();
  const second = main.duplicate({
    lazyConnect: false,
    // For a moment after a failover. The replication ID shows if the master is another one.
    enableOfflineQueue: true,
    retryStrategy: (attempt: number) => Math.min(50 * attempt, 200),
    reconnectOnError: (error: Error) => codeOf(error) === 'READONLY',
  });
  // Without a listener, ioredis writes errors to standard error. The commands report them.
  second.on('error', () => {});
  // Redis ends a WAIT up to 100 ms late.
  const waitMs = Math.ceil(timeoutMs / 2);

  const barrier = grouped(async () => {
    // Without a write of this connection before it, WAIT would answer at once.
    const commands = second.pipeline().set(key(), '', 'PX', 1000).wait(wanted, waitMs);
    const replies = await commands.info('replication').exec();
    const [, count, info] = (replies ?? []).map(replyOrThrow);
    return { count: Number(count), id: masterId(info) };
  });

  return {
    async learn() {
      const { stream } = main;
      const id = masterId(await main.info('replication').catch(() => ''));
      const isSame = stream !== undefined && main.stream === stream;
      if (isSame && id !== undefined) ids.set(stream, id);
      else if (isSame) ids.delete(stream);
    },
    begin() {
      const { stream } = main;
      const id = stream && ids.get(stream);
      return async () => {
        if (id === undefined) throw new Unconfirmed('the connection to Redis was new');
        if (main.stream !== stream) throw new Unconfirmed('the connection to Redis was lost');
        const reached = await barrier().catch((error: Error) => {
          throw unconfirmed(error);
        });
        if (reached.id !== id) throw new Unconfirmed('the master changed');
        if (reached.count >= wanted) return reached.count;
        throw new Unconfirmed(`${reached.count} of ${wanted} replicas confirmed in time`);
      };
    },
    close: () => second.disconnect(),
  };
}

/** The replication ID, if INFO replication comes from a master. A replica has the ID of its master. */
function masterId(info: unknown): string | undefined {
  if (!/^role:master/m.test(String(info))) return undefined;
  return /^master_replid:(\w+)/m.exec(String(info))?.[1];
}

function unconfirmed(error: Error): Unconfirmed {
  return new Unconfirmed(isReply(error) ? failureOf(error).message : error.message);
}

/**
 * Group commit: runs one at a time. Calls that arrive meanwhile share the next run, which starts after
 * all of them.
 */
export function grouped<T>(run: () => Promise<T>): () => Promise<T> {
  let running: Promise<unknown> = Promise.resolve();
  let next: Promise<T> | undefined;

  async function start(): Promise<T> {
    await running;
    // Replies that arrived together are handled in one turn.
    await turn();
    next = undefined;
    const result = run();
    running = result.catch(() => {});
    return result;
  }

  return () => {
    next ??= start();
    return next;
  };
}
