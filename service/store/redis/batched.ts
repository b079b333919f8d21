import type { Grant } from '../../token/grant.ts';
import { StoreUnavailable } from '../../token/store.ts';
import type { Connection } from '../connection/connection.ts';
import { decodeRecord } from './record.ts';

/** The value of a grant's key. */
export type Stored = Grant | 'revoked' | undefined;

type Reading = Pick<Connection, 'mget' | 'mgetTimed' | 'assertMaster' | 'failureOf'>;

/** Reads grants by their keys. An invalid record does not affect the others. */
export function createRead(connection: Reading): (key: string) => Promise<Stored> {
  const get = batched(connection, connection.mget, (records) => records.map(decoded));
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
export function createReadTimed(connection: Reading): (key: string) => Promise<TimedStored> {
  const get = batched(connection, connection.mgetTimed, (records, passed) =>
    records.map(([record, leftMs]) => ({ stored: decoded(record), leftMs: leftMs - passed })),
  );
  return async (key) => {
    const { stored, leftMs } = (await get(key)) ?? { stored: undefined, leftMs: 0 };
    return { stored: valueOrThrow(stored), leftMs };
  };
}

/** MGET also replies nil for a key that contains no string. */
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

interface Batch<V> {
  readonly keys: string[];
  readonly results: Promise<readonly V[]>;
}

/**
 * Collects the reads of one turn of the event loop into one batch. A command for each read costs more
 * than the rest of a decision: its promise, its timer, and the system calls for a few bytes. ioredis'
 * enableAutoPipelining saves only the system calls, and lets a command, with its timeout, wait for the
 * batch before it.
 *
 * @param send gets the reply to a batch
 * @param resultsOf returns the results in the order of the keys; `passed`: milliseconds since the command
 */
function batched<R, V>(
  connection: Reading,
  send: (keys: string[]) => Promise<R>,
  resultsOf: (reply: R, passed: number) => readonly V[],
): (key: string) => Promise<V | undefined> {
  let current: Batch<V> | undefined;

  async function read(keys: string[]): Promise<readonly V[]> {
    const sent = performance.now();
    try {
      const reply = await send(keys);
      connection.assertMaster();
      return resultsOf(reply, performance.now() - sent);
    } catch (error) {
      throw connection.failureOf(error as Error);
    }
  }

  function start(): Batch<V> {
    const keys: string[] = [];
    const results = new Promise<readonly V[]>((resolve, reject) => {
      setImmediate(() => {
        current = undefined;
        read(keys).then(resolve, reject);
      });
    });
    return { keys, results };
  }

  return (key) => {
    current ??= start();
    const { keys, results } = current;
    const index = keys.push(key) - 1;
    return results.then((all) => all[index]);
  };
}
