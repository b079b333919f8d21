import { createRedisStore, type RedisStoreOptions } from '../../service/store/redis/redis.ts';
import type { Store } from '../../service/token/store.ts';
import { ask, type Redis } from '../harness/redis.ts';
import { waitFor } from '../harness/wait.ts';
import type { Opened } from './grants.ts';

export interface OpenRedisOptions extends Partial<RedisStoreOptions> {
  /** Instead of Redis' own port. */
  readonly port?: number;
}

/** A store that is connected. It waits for a reply for longer than a busy machine needs. */
export async function openRedis(redis: Redis, options: OpenRedisOptions = {}): Promise<Store> {
  const { port = redis.port, ...more } = options;
  const url = `redis://127.0.0.1:${port}/0`;
  const store = createRedisStore({ url, prefix: 'postern:', timeoutMs: 5_000, ...more });
  await answers(store);
  return store;
}

/** A store on separate servers, for the contract. */
export async function openedOn(
  start: () => Promise<{ readonly url: string; stop(): Promise<void> }>,
  options: Partial<RedisStoreOptions> = {},
): Promise<Opened> {
  const redis = await start();
  const { url } = redis;
  const store = createRedisStore({ url, prefix: 'postern:', timeoutMs: 5_000, ...options });
  await answers(store);
  return {
    store,
    now: Date.now,
    pass: async (ms) => {
      const end = Date.now() + ms;
      await waitFor(() => Date.now() >= end, { what: 'time to pass' });
    },
    async close() {
      await store.close();
      await redis.stop();
    },
  };
}

/** Waits until a store answers. */
export async function answers(store: Store): Promise<void> {
  const check = () =>
    store.check().then(
      () => true,
      () => false,
    );
  await waitFor(check, { what: 'the store to answer' });
}

/** The reply of Redis to one command, without the line break at its end. */
export async function tell(redis: Redis, command: string): Promise<string> {
  const reply = await ask(redis.port, command, 5_000);
  if (reply === undefined) throw new Error(`no reply to ${command}`);
  return reply.trimEnd();
}

/** The names of all keys, except the key of the write checks. */
export async function keysOf(redis: Redis): Promise<string[]> {
  const lines = (await tell(redis, 'KEYS *')).split('\r\n').slice(1);
  return lines.filter((line) => !line.startsWith('$') && line !== 'postern:ready').sort();
}
