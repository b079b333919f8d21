import type { Logger } from 'pino';
import type { Store } from '../domain/store.ts';
import { shownHosts } from '../store-url.ts';
import { checkedUrl } from './access.ts';
import { createMemoryStore } from './memory.ts';
import { createRedisStore, type RedisStoreOptions } from './redis.ts';

/** Opens the store of a URL. Logs and reports each change of its connection; memory is connected. */
export function openStore(
  options: Omit<RedisStoreOptions, 'onState'>,
  log: Logger,
  onConnection: (isConnected: boolean) => void,
): Store {
  if (options.url === 'memory:') {
    onConnection(true);
    return createMemoryStore();
  }
  const redis = shownHosts(checkedUrl(options.url));
  let reported = '';
  return createRedisStore({
    ...options,
    onState(state, failure) {
      onConnection(state === 'up');
      // Each attempt to reconnect would report the same again.
      const news = `${state} ${failure?.message ?? ''}`;
      if (news === reported || (state === 'down' && reported.startsWith('down') && !failure))
        return;
      reported = news;
      if (state === 'up') return log.info({ redis }, 'Redis answers');
      log.error(
        { redis, reason: failure?.message },
        `${failure?.shown ?? 'Redis closed the connection'}: requests that need the token store get 503 ` +
          'until this is fixed. Check Redis and POSTERN_STORE',
      );
    },
  });
}
