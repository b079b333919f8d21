import type { Redis } from 'ioredis';
import type { Grant } from '../domain/grant.ts';
import { changesOf } from './changes.ts';
import { decoded, type Found, gatheredReads, type Reader } from './reader.ts';
import { createRemembered } from './remembered.ts';

export interface RememberOptions {
  /** Before every key. */
  readonly prefix: string;
  /** How many grants. */
  readonly most: number;
  /** As old as what Redis says may be when it arrives: the time that a command may take. */
  readonly maxAgeMs: number;
}

/** A look-up that is under way, and what changed since it began. */
interface UnderWay {
  readonly changed: Set<string>;
  lost: boolean;
}

/**
 * Remembers what it has read until Redis says that it changed, or cannot be relied on to say so. When a
 * grant ends is what Redis says is left, so no two clocks are compared.
 */
export function createRememberingReader(redis: Redis, options: RememberOptions): Reader {
  const { prefix, most, maxAgeMs } = options;
  const remembered = createRemembered(most);
  const underWay = new Set<UnderWay>();

  function forget(key: string): void {
    remembered.forget(key);
    // News of a change comes by another connection, and may be here before the value that it is about.
    for (const { changed } of underWay) changed.add(key);
  }
  const changes = changesOf(redis, {
    prefix,
    maxAgeMs,
    needed: () => remembered.size() > 0,
    onChange: forget,
    onLoss() {
      remembered.clear();
      for (const lookUp of underWay) lookUp.lost = true;
    },
  });
  const readAnew = gatheredReads(async (keys) => {
    if (!changes.told()) return (await redis.mget(keys)).map(decoded);
    const began = { changed: new Set<string>(), lost: false };
    underWay.add(began);
    try {
      const asked = performance.now();
      const { records, left } = await readTracked(redis, keys);
      return records.map((record, i) => {
        const found = decoded(record);
        const [key = '', ms = 0] = [keys[i], left[i]];
        const keeps = ms > 0 && !began.lost && !began.changed.has(key);
        if (keeps && isGrant(found)) remembered.keep(key, found, asked + ms);
        return found;
      });
    } finally {
      underWay.delete(began);
    }
  });

  return {
    read(key) {
      const kept = changes.fresh() ? remembered.get(key) : undefined;
      return kept === undefined ? readAnew(key) : Promise.resolve(kept);
    },
    forget,
    close: changes.close,
  };
}

function isGrant(found: Found | Error): found is Grant {
  return typeof found === 'object' && !(found instanceof Error);
}

/**
 * Values, and the milliseconds that Redis leaves them; none where it will not tell of changes. One round
 * trip: what CACHING says is for the next command alone.
 */
async function readTracked(redis: Redis, keys: string[]) {
  const pipeline = redis.pipeline().client('CACHING', 'YES').mget(keys);
  for (const key of keys) pipeline.pttl(key);
  const [caching, values, ...ends] = (await pipeline.exec()) ?? [];
  if (values === undefined) throw new Error('Redis did not answer');
  const [error, records] = values;
  if (error !== null) throw error;
  const isTracked = caching?.[0] === null;
  const left = ends.map(([fault, ms]) => (isTracked && fault === null ? Number(ms) : 0));
  return { records: records as Array<string | null>, left };
}
