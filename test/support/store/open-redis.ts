import { expect, inject, onTestFinished } from 'vitest';
import { createMetrics } from '../../../service/metrics/metrics.ts';
import type {
  RedisStoreOptions,
  StoreObserver,
} from '../../../service/store/connection/connection.ts';
import { openStore } from '../../../service/store/open.ts';
import { createRedisStore } from '../../../service/store/redis/redis.ts';
import type { Store, StoreUnavailable } from '../../../service/token/store.ts';
import { ask, type Engine, type Redis, startRedis } from '../../harness/redis.ts';
import { waitFor } from '../../harness/wait.ts';
import { createAsked, keptLog } from '../ask-api.ts';
import { forTest } from '../for-test.ts';
import { samplesOf } from '../samples.ts';
import type { Opened } from './grants.ts';

type Options = Partial<RedisStoreOptions>;

/** A store that is connected. It waits for a reply for longer than a busy machine needs. */
export async function openRedis({ url }: { readonly url: string }, options: Options = {}) {
  const store = createRedisStore({ url, prefix: 'postern:', timeoutMs: 5_000, ...options });
  await answers(store);
  return store;
}

/** A store on its own Redis, until the test ends, or the file with `afterAll`. */
export async function startStore(
  options: Options = {},
  after: (end: () => Promise<void>) => void = onTestFinished,
) {
  const redis = await startRedis();
  const store = await openRedis(redis, options);
  after(async () => {
    await store.close();
    await redis.stop();
  });
  return { redis, store };
}

/** The same, through a proxy. */
export async function startProxied<T extends { readonly port: number }>(
  startProxy: (port: number) => Promise<T>,
  options: Options = {},
) {
  const redis = await forTest(startRedis());
  const proxy = await startProxy(redis.port);
  const store = await openRedis({ url: `redis://127.0.0.1:${proxy.port}/0` }, options);
  onTestFinished(() => store.close());
  return { redis, proxy, store };
}

/** A store until the test ends, its states with what people see of a failure, and the failures' messages. */
export function storeAt(url: string, options: Options = {}) {
  const states: string[] = [];
  const messages: string[] = [];
  const onState = (state: string, failure?: StoreUnavailable) => {
    states.push(`${state} ${failure?.shown ?? ''}`.trim());
    messages.push(failure?.message ?? '');
  };
  const rest = { prefix: 'postern:', timeoutMs: 5_000, onState };
  const store = createRedisStore({ url, ...rest, ...options });
  onTestFinished(() => store.close());
  return { store, states, messages };
}

/** A store as the service opens it, until the test ends, with its log, its metrics and /readyz. */
export function storeOfService(url: string, options: Options = {}) {
  const { log, lines, parsed } = keptLog();
  const { storeObserver, text } = createMetrics({ version: '0.0.0', node: process.version });
  const rest = { prefix: 'postern:', timeoutMs: 250 };
  const store = openStore({ url, ...rest, ...options }, log, storeObserver);
  onTestFinished(() => store.close());
  const { ask } = createAsked({ store, log });
  return {
    ...{ store, log, lines, parsed },
    async readyz() {
      const { status, body } = await ask('GET /readyz', { key: '' });
      return { detail: '', warning: '', ...body, status };
    },
    metric: async (name: string) => samplesOf(await text()).get(name),
  };
}

/** A store on separate servers, for the contract. */
export async function openedOn(
  start: () => Promise<{ readonly url: string; stop(): Promise<void> }>,
  options: Options = {},
): Promise<Opened> {
  const servers = await start();
  const store = await openRedis(servers, options);
  return {
    store,
    now: Date.now,
    pass: async (ms) => {
      const end = Date.now() + ms;
      await waitFor(() => Date.now() >= end, { what: 'time to pass' });
    },
    async close() {
      await store.close();
      await servers.stop();
    },
  };
}

export async function answers(store: Store): Promise<void> {
  await waitFor(() => store.check().then(Boolean, () => false), { what: 'the store to answer' });
}

/** What people see of the failure of a check. */
export const whyOf = (store: Store): Promise<string> =>
  store.check().then(
    () => 'ok',
    ({ shown }: StoreUnavailable) => shown ?? '',
  );

/** The reply of Redis to one command, without the line break at its end. */
export async function tell(redis: Redis, command: string): Promise<string> {
  const reply = await ask(redis.port, command, 5_000);
  if (reply === undefined) throw new Error(`no reply to ${command}`);
  return reply.trimEnd();
}

/** After one loss, the store is up for the second time, and has one connection to each master. */
export async function expectOneReconnection(
  states: readonly string[],
  servers: readonly Redis[],
  masters = 1,
): Promise<void> {
  expect(states.filter((state) => state === 'up')).toHaveLength(2);
  const lists = await Promise.all(servers.map(({ port }) => ask(port, 'CLIENT LIST')));
  expect(lists.join().match(/ lib-name=ioredis /g)).toHaveLength(masters);
}

/** The names of all keys, except the key of the write checks. */
export async function keysOf(redis: Redis): Promise<string[]> {
  const lines = (await tell(redis, 'KEYS *')).split('\r\n').slice(1);
  return lines.filter((line) => !line.startsWith('$') && line !== 'postern:ready').sort();
}

/** An observer with the functions that the test needs. */
export function observerOf(more: Partial<StoreObserver> = {}): StoreObserver {
  const none = {
    connected() {},
    acknowledged() {},
    redirected() {},
    late() {},
    evicts() {},
  };
  return { ...none, ...more };
}

const ENGINES: ReadonlyArray<readonly [Engine, string]> = [
  ['redis', 'Redis'],
  ['valkey', 'Valkey'],
];

/** The engines that the contract runs on. Outside of CI, a package may not be available. */
export function engines() {
  return ENGINES.filter(
    ([engine]) => process.env.CI || inject('missingTools')[`${engine}-server`] === undefined,
  );
}
