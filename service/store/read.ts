import type { Redis } from 'ioredis';
import type { Grant } from '../domain/grant.ts';
import { StoreUnavailable } from '../domain/store.ts';
import { gathered } from './gathered.ts';
import { decodeRecord } from './record.ts';

/** What is under a key. */
export type Found = Grant | 'revoked' | undefined;

/** Reads grants by their keys. One that cannot be read leaves the others as they are. */
export function createRead(redis: Redis): (key: string) => Promise<Found> {
  const get = gathered(async (keys: string[]) => (await redis.mget(keys)).map(decoded));
  return (key) => get(key).then(known, fail);
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
export function createReadTimed(redis: Redis): (key: string) => Promise<TimedFound> {
  const get = gathered(async (keys: string[]) => {
    const asked = performance.now();
    const pipeline = redis.pipeline().mget(keys);
    for (const key of keys) pipeline.pttl(key);
    const [values, ...ends] = ((await pipeline.exec()) ?? []).map(valueOrThrow);
    const passed = performance.now() - asked;
    return (values as Array<string | null>).map((record, i) => {
      return { found: decoded(record), leftMs: Number(ends[i]) - passed };
    });
  });
  return async (key) => {
    const { found, leftMs } = (await get(key).catch(fail)) ?? { found: undefined, leftMs: 0 };
    return { found: known(found), leftMs };
  };
}

function valueOrThrow([error, value]: [error: Error | null, value: unknown]): unknown {
  if (error !== null) throw error;
  return value;
}

/** MGET says of a key that holds no string what it says of one that is not there: not there. */
export function decoded(record: string | null): Found | StoreUnavailable {
  if (record === null) return undefined;
  try {
    return decodeRecord(record);
  } catch (error) {
    return new StoreUnavailable(`Redis holds ${(error as Error).message}`, { cause: error });
  }
}

export function known(found: Found | StoreUnavailable): Found {
  if (found instanceof StoreUnavailable) throw found;
  return found;
}

function fail(error: Error): never {
  throw new StoreUnavailable(error.message, { cause: error });
}
