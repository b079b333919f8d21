import type { Logger } from 'pino';
import type { Store } from '../domain/store.ts';
import { createMemoryStore } from './memory.ts';
import { createRedisStore } from './redis.ts';

export interface StoreOptions {
  /** `memory:`, `redis://` or `rediss://`. */
  readonly url: string;
  readonly prefix: string;
  readonly timeoutMs: number;
}

/**
 * The store that a URL names. Says in the log when it is lost and when it is back, and tells whether it
 * is connected, at each change; memory is from the beginning.
 */
export function openStore(
  options: StoreOptions,
  log: Logger,
  tell: (connected: boolean) => void,
): Store {
  if (options.url === 'memory:') {
    tell(true);
    return createMemoryStore();
  }
  const where = new URL(options.url).host;
  let told = '';
  return createRedisStore({
    ...options,
    onState(state, err) {
      tell(state === 'up');
      // Each attempt to reconnect would tell the same again.
      const news = `${state} ${err?.message ?? ''}`;
      if (news === told || (state === 'down' && told.startsWith('down') && !err)) return;
      told = news;
      if (state === 'up') return log.info({ redis: where }, 'Redis answers');
      log.error(
        { redis: where, err },
        'Redis does not answer: every request is refused until it does. ' +
          'Check that it runs, and POSTERN_STORE',
      );
    },
  });
}
