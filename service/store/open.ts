import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import type { EventStore } from '../events/event.ts';
import type { Store } from '../token/store.ts';
import type { RedisStoreOptions, StoreObserver } from './connection/connection.ts';
import { checkedUrl, shownHosts } from './connection/url.ts';
import { createMemoryStore } from './memory.ts';
import { createMemoryEvents } from './memory-events.ts';
import { createRedisEvents, type RedisEventsOptions } from './redis/events.ts';
import { createRedisStore } from './redis/redis.ts';

type Options = Omit<RedisStoreOptions, 'onState' | 'onWarning' | 'observer'>;

/** Opens the store of a URL, and logs each change of its connection. Memory is always connected. */
export function openStore(options: Options, log: Logger, observer: StoreObserver): Store {
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
        `${failure?.shown ?? 'Redis closed the connection'}: requests that it cannot answer get 503 ` +
          'until this is fixed. Check Redis and POSTERN_STORE',
      );
    },
  });
}

/** Opens the store of events, which is in the same place as that of tokens. */
export function openEventStore(options: RedisEventsOptions): EventStore {
  return options.url === 'memory:' ? createMemoryEvents() : createRedisEvents(options);
}

/** How long the start waits for the store, and a reload for a store that gets another password. */
export const CONNECT_MS = 1000;

/** Requests that have begun end on the old connection. A revocation of many tokens takes the longest. */
const RETIRED_MS = 60_000;

interface StoresOptions {
  readonly log: Logger;
  readonly observer: StoreObserver;
  readonly measured: (store: Store) => Store;
  /** Called if the new password or certificates work, after a `follow` that did not wait so long. */
  readonly onAcceptedLater: () => void;
  readonly onReplaced: () => void;
}

/**
 * The store, and its successor if the files with its password or its certificates have changed. The old connection
 * stays in use until the new one is accepted, so that no request is lost, not even if the files are wrong.
 */
export function createStores(
  first: Options,
  { log, observer, measured, onAcceptedLater, onReplaced }: StoresOptions,
) {
  let used = open(first, true);
  let next: ReturnType<typeof open> | undefined;

  /** Until it is in use, a store logs nothing and changes no metrics. */
  function open(options: Options, isUsed = false) {
    const state = { isUsed, isConnected: false, reason: 'no reply' };
    let onConnected = () => {};
    const connected = new Promise<void>((resolve) => {
      onConnected = resolve;
    });
    const write =
      (level: 'info' | 'warn' | 'error') => (about: { reason?: string }, text: string) => {
        if (state.isUsed) log[level](about, text);
        else state.reason = about.reason ?? state.reason;
      };
    const lines = { info: write('info'), warn: write('warn'), error: write('error') };
    const store = openStore(options, lines as Logger, {
      ...observer,
      connected(isConnected) {
        if (state.isUsed) observer.connected(isConnected);
        state.isConnected = isConnected;
        if (isConnected) onConnected();
      },
    });
    return { options, state, connected, store: measured(store) };
  }

  function replaceBy(opened: typeof used): void {
    const old = used;
    old.state.isUsed = false;
    opened.state.isUsed = true;
    observer.connected(true);
    [used, next] = [opened, undefined];
    setTimeout(() => old.store.close(), RETIRED_MS).unref();
    onReplaced();
  }

  return {
    /** The first connection, or the time that the start waits for it. */
    started: () => Promise.race([used.connected, sleep(CONNECT_MS)]),
    current: () => used,

    /** Opens the store again if its secrets have changed. Its other settings need a restart. */
    async follow({ password, ca, cert, key }: Options): Promise<void> {
      const options = { ...first, password, ca, cert, key };
      if (next !== undefined && !isDeepStrictEqual(options, next.options)) {
        void next.store.close();
        next = undefined;
      }
      if (isDeepStrictEqual(options, used.options)) return;
      const isNew = next === undefined;
      const opened = next ?? open(options);
      next = opened;
      await Promise.race([opened.connected, sleep(isNew ? CONNECT_MS : 0)]);
      if (opened.state.isConnected) return replaceBy(opened);
      if (!isNew) return;
      const { reason } = opened.state;
      log.error(
        { reason },
        'Redis did not accept the new password or certificates: Postern keeps its connection, and tries again',
      );
      void opened.connected.then(() => opened === next && onAcceptedLater());
    },

    async close(): Promise<void> {
      await Promise.all([used.store.close(), next?.store.close()]);
    },
  };
}
