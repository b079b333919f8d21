import type { Logger } from 'pino';
import type { EventStore } from '../domain/event.ts';
import type { Store } from '../domain/store.ts';
import { shownHosts } from '../store-url.ts';
import { checkedUrl } from './access.ts';
import type { StoreObserver } from './connection.ts';
import { createMemoryStore } from './memory.ts';
import { createMemoryEvents } from './memory-events.ts';
import { createRedisStore, type RedisStoreOptions } from './redis.ts';
import { createRedisEvents, type RedisEventsOptions } from './redis-events.ts';

/** Opens the store of a URL, and logs each change of its connection. Memory is always connected. */
export function openStore(
  options: Omit<RedisStoreOptions, 'onState' | 'onWarning' | 'observer'>,
  log: Logger,
  observer: StoreObserver,
): Store {
  if (options.url === 'memory:') {
    observer.connected(true);
    return createMemoryStore();
  }
  const redis = shownHosts(checkedUrl(options.url));
  let reported = '';
  return createRedisStore({
    ...options,
    observer,
    onWarning: (warning) => log.warn({ redis }, warning),
    onState(state, failure) {
      // Otherwise each attempt to reconnect would log the same line.
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

/** Opens the store of events, which is in the same place as that of tokens. */
export function openEventStore(options: RedisEventsOptions): EventStore {
  return options.url === 'memory:' ? createMemoryEvents() : createRedisEvents(options);
}
