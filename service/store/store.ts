import type { Logger } from 'pino';
import type { Store } from '../domain/store.ts';
import { shownHosts } from '../store-url.ts';
import { checkedUrl, type StoreAccess } from './access.ts';
import { createMemoryStore } from './memory.ts';
import { createRedisStore } from './redis.ts';

export interface StoreOptions extends StoreAccess {
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
  const where = shownHosts(checkedUrl(options.url));
  let told = '';
  return createRedisStore({
    ...options,
    onState(state, failure) {
      tell(state === 'up');
      // Each attempt to reconnect would tell the same again.
      const news = `${state} ${failure?.message ?? ''}`;
      if (news === told || (state === 'down' && told.startsWith('down') && !failure)) return;
      told = news;
      if (state === 'up') return log.info({ redis: where }, 'Redis answers');
      log.error(
        { redis: where, reason: failure?.message },
        `${failure?.shown ?? 'Redis closed the connection'}: what needs the token store gets 503 ` +
          'until this is fixed. Check Redis and POSTERN_STORE',
      );
    },
  });
}
