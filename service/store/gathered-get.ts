import type { Redis } from 'ioredis';

interface Batch {
  readonly keys: string[];
  readonly values: Promise<Array<string | null>>;
}

/**
 * GET, where what is asked in one turn of the event loop, by requests that came together, is one
 * MGET. A command of its own for each costs more than all the rest of a decision: its promise, its
 * timer, and the system calls for its few bytes. ioredis' enableAutoPipelining saves only the last,
 * and lets a command wait for the batch before it, and its time-out with it.
 *
 * MGET says of a key that holds no string what it says of one that is not there: not there.
 */
export function gatheredGet(redis: Redis): (key: string) => Promise<string | null> {
  let gathering: Batch | undefined;

  function gather(): Batch {
    const keys: string[] = [];
    const values = new Promise<Array<string | null>>((resolve, reject) => {
      setImmediate(() => {
        gathering = undefined;
        redis.mget(keys).then(resolve, reject);
      });
    });
    return { keys, values };
  }

  return async (key) => {
    gathering ??= gather();
    const { keys, values } = gathering;
    const index = keys.push(key) - 1;
    return (await values)[index] ?? null;
  };
}
