import type { Grant } from '../domain/grant.ts';
import { StoreUnavailable } from '../domain/store.ts';
import type { Connection } from './connection.ts';
import { decodeRecord } from './record.ts';

/** What is under a key. */
export type Found = Grant | 'revoked' | undefined;

/** Reads grants by their keys. One that cannot be read leaves the others as they are. */
export function createRead(connection: Connection): (key: string) => Promise<Found> {
  const get = gathered(async (keys: string[]) => {
    try {
      const records = await connection.mget(keys);
      connection.assertMaster();
      return records.map(decoded);
    } catch (error) {
      throw connection.failureOf(error as Error);
    }
  });
  return (key) => get(key).then(known);
}

export interface TimedFound {
  readonly found: Found;
  /** Milliseconds for which Redis keeps it at least; 0 or less: it has just ended. */
  readonly leftMs: number;
}

/**
 * As `createRead`, with what Redis says is left, so that no two clocks are compared. The answer may be
 * as old as the question: what has passed since is taken off.
 */
export function createReadTimed(connection: Connection): (key: string) => Promise<TimedFound> {
  const get = gathered(async (keys: string[]) => {
    const asked = performance.now();
    try {
      const records = await connection.mgetTimed(keys);
      connection.assertMaster();
      const passed = performance.now() - asked;
      return records.map(([record, leftMs]) => {
        return { found: decoded(record), leftMs: leftMs - passed };
      });
    } catch (error) {
      throw connection.failureOf(error as Error);
    }
  });
  return async (key) => {
    const { found, leftMs } = (await get(key)) ?? { found: undefined, leftMs: 0 };
    return { found: known(found), leftMs };
  };
}

/** MGET says of a key that holds no string what it says of one that is not there: not there. */
export function decoded(record: string | null | StoreUnavailable): Found | StoreUnavailable {
  if (record === null) return undefined;
  if (record instanceof StoreUnavailable) return record;
  try {
    return decodeRecord(record);
  } catch (error) {
    return new StoreUnavailable(`Redis holds ${(error as Error).message}`);
  }
}

export function known(found: Found | StoreUnavailable): Found {
  if (found instanceof StoreUnavailable) throw found;
  return found;
}

/** What was asked for in one turn of the event loop. */
interface Batch<K, V> {
  readonly asked: K[];
  readonly answers: Promise<readonly V[]>;
}

/**
 * Asks together what was asked for in one turn of the event loop, by requests that came together. A command of its own for each costs more than all the rest of a decision: its promise, its
 * timer, and the system calls for its few bytes. ioredis' enableAutoPipelining saves only the last,
 * and lets a command wait for the batch before it, and its time-out with it.
 *
 * @param askAll gives the answers in the order of what was asked
 */
export function gathered<K, V>(
  askAll: (asked: K[]) => Promise<readonly V[]>,
): (one: K) => Promise<V | undefined> {
  let gathering: Batch<K, V> | undefined;

  function gather(): Batch<K, V> {
    const asked: K[] = [];
    const answers = new Promise<readonly V[]>((resolve, reject) => {
      setImmediate(() => {
        gathering = undefined;
        askAll(asked).then(resolve, reject);
      });
    });
    return { asked, answers };
  }

  return (one) => {
    gathering ??= gather();
    const { asked, answers } = gathering;
    const index = asked.push(one) - 1;
    return answers.then((all) => all[index]);
  };
}
