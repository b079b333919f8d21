import type { Grant } from '../domain/grant.ts';
import { StoreUnavailable } from '../domain/store.ts';
import type { Connection } from './connection.ts';
import { decodeRecord } from './record.ts';

/** The value of a grant's key. */
export type Stored = Grant | 'revoked' | undefined;

/** Reads grants by their keys. A record that cannot be read does not affect the others. */
export function createRead(connection: Connection): (key: string) => Promise<Stored> {
  const get = batched(async (keys: string[]) => {
    try {
      const records = await connection.mget(keys);
      connection.assertMaster();
      return records.map(decoded);
    } catch (error) {
      throw connection.failureOf(error as Error);
    }
  });
  return (key) => get(key).then(valueOrThrow);
}

interface TimedStored {
  readonly stored: Stored;
  /** Milliseconds for which Redis keeps it at least; 0 or less: it has just ended. */
  readonly leftMs: number;
}

/**
 * As `createRead`, with the remaining lifetime by Redis' clock, so that no two clocks are compared.
 * The reply may be as old as the command, so the time since the command is subtracted.
 */
export function createReadTimed(connection: Connection): (key: string) => Promise<TimedStored> {
  const get = batched(async (keys: string[]) => {
    const sent = performance.now();
    try {
      const records = await connection.mgetTimed(keys);
      connection.assertMaster();
      const passed = performance.now() - sent;
      return records.map(([record, leftMs]) => {
        return { stored: decoded(record), leftMs: leftMs - passed };
      });
    } catch (error) {
      throw connection.failureOf(error as Error);
    }
  });
  return async (key) => {
    const { stored, leftMs } = (await get(key)) ?? { stored: undefined, leftMs: 0 };
    return { stored: valueOrThrow(stored), leftMs };
  };
}

/** MGET replies nil for a key that holds no string, too. */
function decoded(record: string | null | StoreUnavailable): Stored | Error {
  if (record === null) return undefined;
  if (record instanceof StoreUnavailable) return record;
  try {
    return decodeRecord(record);
  } catch (error) {
    return error as Error;
  }
}

function valueOrThrow(stored: Stored | Error): Stored {
  if (stored instanceof Error) throw stored;
  return stored;
}

interface Batch<K, V> {
  readonly items: K[];
  readonly results: Promise<readonly V[]>;
}

/**
 * Collects the calls of one turn of the event loop into one batch. A command for each call costs more
 * than the rest of a decision: its promise, its timer, and the system calls for a few bytes. ioredis'
 * enableAutoPipelining saves only the system calls, and lets a command, with its timeout, wait for the
 * batch before it.
 *
 * @param runAll returns the results in the order of the items
 */
function batched<K, V>(
  runAll: (items: K[]) => Promise<readonly V[]>,
): (item: K) => Promise<V | undefined> {
  let current: Batch<K, V> | undefined;

  function start(): Batch<K, V> {
    const items: K[] = [];
    const results = new Promise<readonly V[]>((resolve, reject) => {
      setImmediate(() => {
        current = undefined;
        runAll(items).then(resolve, reject);
      });
    });
    return { items, results };
  }

  return (item) => {
    current ??= start();
    const { items, results } = current;
    const index = items.push(item) - 1;
    return results.then((all) => all[index]);
  };
}
