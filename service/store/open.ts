import type { Logger } from 'pino';
import type { Store } from '../token/store.ts';
import type { EventStore } from '../webhooks/event.ts';
import type { RedisStoreOptions, StoreObserver } from './connection/connection.ts';
import { checkedUrl, shownHosts } from './connection/url.ts';
import { createMemoryStore } from './memory.ts';
import { createMemoryEvents } from './memory-events.ts';
import { createRedisEvents, type RedisEventsOptions } from './redis/events.ts';
import { createRedisStore } from './redis/redis.ts';

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
