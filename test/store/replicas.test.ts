import type { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import type { Connection } from '../../service/store/connection/connection.ts';
import { createReplicas } from '../../service/store/redis/replicas.ts';
import { type StoreUnavailable, Unconfirmed } from '../../service/token/store.ts';
import { observerOf } from './open-redis.ts';

/** A master with a replica, and what its second connection was sent. */
function createMaster(id: string) {
  const state = { id, role: 'master', confirming: 1, failure: null as Error | null };
  const sent: unknown[][] = [];
  const infoText = () => `role:${state.role}\r\nmaster_replid:${state.id}\r\n`;
  const second = {
    status: 'ready',
    on() {},
    disconnect() {},
    pipeline() {
      const commands: unknown[][] = [];
      const add =
        (name: string) =>
        (...args: unknown[]) => {
          commands.push([name, ...args]);
          return pipeline;
        };
      const pipeline = {
        set: add('set'),
        wait: add('wait'),
        info: add('info'),
        async exec() {
          sent.push(...commands);
          return [
            [state.failure, 'OK'],
            [null, state.confirming],
            [null, infoText()],
          ];
        },
      };
      return pipeline;
    },
  };
  const main = { stream: {}, info: async () => infoText(), duplicate: () => second };
  return { main: main as unknown as Redis, state, sent };
}

function createReplicated(names = ['a', 'b']) {
  const servers = Object.fromEntries(names.map((name) => [name, createMaster(`id-of-${name}`)]));
  const masters = new Map(names.map((name) => [name, servers[name]?.main as Redis]));
  const connection = {
    masters: () => new Map(masters),
    masterNames: () => names,
    masterOf: (key: string) => key,
    keyOn: (master: string, key: string) => `${key}:${master}`,
    redirections: 0,
    connected: async () => {},
    failureOf: (error: Error) => error as StoreUnavailable,
  };
  const confirmations: boolean[] = [];
  const replicas = createReplicas(connection as unknown as Connection, {
    url: 'redis://a',
    timeoutMs: 250,
    replicas: 1,
    prefix: 'postern:',
    observer: observerOf({ confirmed: (isConfirmed) => void confirmations.push(isConfirmed) }),
  });
  const server = (name: string) => servers[name] as ReturnType<typeof createMaster>;
  return { connection, masters, replicas, server, confirmations };
}

test('replicas: only the master of the key is asked, with a write before WAIT', async () => {
  const { replicas, server, confirmations } = createReplicated();
  expect(await replicas.confirmed('a', async () => 7)).toBe(7);
  expect(server('a').sent).toEqual([
    ['set', 'postern:confirmed:a', '', 'PX', 1000],
    ['wait', 1, 125],
    ['info', 'replication'],
  ]);
  expect(server('b').sent).toEqual([]);
  expect(confirmations).toEqual([true]);
});

test('replicas: an operation on many keys asks all masters', async () => {
  const { replicas, server } = createReplicated();
  await replicas.confirmed(undefined, async () => {});
  expect([server('a').sent.length, server('b').sent.length]).toEqual([3, 3]);
  server('b').state.confirming = 0;
  await expect(replicas.confirmed(undefined, async () => {})).rejects.toThrow(
    '0 of 1 replicas confirmed in time',
  );
});

test('replicas: an operation that needs no confirmation, or that failed, waits for no replica', async () => {
  const { replicas, server, confirmations } = createReplicated();
  await replicas.confirmed(
    'a',
    async () => 'known',
    (result) => result === 'new',
  );
  const failing = replicas.confirmed('a', () => Promise.reject(new Error('lost')));
  await expect(failing).rejects.toThrow('lost');
  expect([server('a').sent, confirmations]).toEqual([[], []]);
});

test('replicas: after a redirection during an operation, all masters are asked', async () => {
  const { connection, replicas, server } = createReplicated();
  await replicas.confirmed('a', async () => {
    connection.redirections += 1;
  });
  expect([server('a').sent.length, server('b').sent.length]).toEqual([3, 3]);
});

type Replicated = ReturnType<typeof createReplicated>;

test.each<[string, (all: Replicated) => void]>([
  ['another connection', ({ server }) => Object.assign(server('a').main, { stream: {} })],
  ['another node', ({ masters }) => masters.set('a', createMaster('id-of-a').main)],
  ['no connection', ({ masters }) => masters.delete('a')],
  ['another replication ID', ({ server }) => Object.assign(server('a').state, { id: 'new' })],
  ['another role', ({ server }) => Object.assign(server('a').state, { role: 'slave' })],
  ['a failed write', ({ server }) => Object.assign(server('a').state, { failure: new Error() })],
])('replicas: %s since the operation began does not confirm', async (_, change) => {
  const all = createReplicated();
  await all.replicas.learn();
  const changed = all.replicas.confirmed('a', async () => change(all));
  await expect(changed).rejects.toThrow(Unconfirmed);
  expect(all.confirmations).toEqual([false]);
});
