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
