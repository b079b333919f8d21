import type { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import type { Connection } from '../../service/store/connection/connection.ts';
import { slotOf } from '../../service/store/connection/ioredis.ts';
import type { Commands } from '../../service/store/redis/commands.ts';
import { createAddDelivered } from '../../service/store/redis/deliveries.ts';
import { createKeys } from '../../service/store/redis/record.ts';
import { createReplicas } from '../../service/store/redis/replicas.ts';
import { StoreUnavailable, Unacknowledged } from '../../service/token/store.ts';
import { newId } from '../support/store/grants.ts';
import { observerOf } from '../support/store/open-redis.ts';
import { sent } from './contract-delivered.ts';

/** A master with a replica, and what its second connection was sent. */
function createMaster(id: string) {
  const state = { id, role: 'master', acknowledging: 1, failure: null as Error | null };
  const sent: unknown[][] = [];
  const infoText = () => `role:${state.role}\r\nmaster_replid:${state.id}\r\n`;
  const second = {
    status: 'ready',
    on() {},
    disconnect() {},
    pipeline() {
      const commands: unknown[][] = [];
      const add = (name: string) =>
        function (this: object, ...args: unknown[]) {
          commands.push([name, ...args]);
          return this;
        };
      return {
        ...{ set: add('set'), pexpire: add('pexpire'), wait: add('wait'), info: add('info') },
        async exec() {
          sent.push(...commands);
          return [
            [state.failure, null],
            [null, state.failure ? 0 : 1],
            [null, state.acknowledging],
            [null, infoText()],
          ];
        },
      };
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
  const acknowledgments: boolean[] = [];
  const replicas = createReplicas(connection as unknown as Connection, {
    url: 'redis://a',
    timeoutMs: 250,
    replicas: 1,
    prefix: 'postern:',
    observer: observerOf({
      acknowledged: (isAcknowledged) => void acknowledgments.push(isAcknowledged),
    }),
  });
  const server = (name: string) => servers[name] as ReturnType<typeof createMaster>;
  return { connection, masters, replicas, server, acknowledgments };
}

test('replicas: only the master of the key is asked, with a write before WAIT', async () => {
  const { replicas, server, acknowledgments } = createReplicated();
  expect(await replicas.acknowledged('a', async () => 7)).toBe(7);
  expect(server('a').sent).toEqual([
    ['set', 'postern:acknowledged:a', '', 'PX', 86_400_000, 'NX'],
    ['pexpire', 'postern:acknowledged:a', 86_400_000],
    ['wait', 1, 125],
    ['info', 'replication'],
  ]);
  expect(server('b').sent).toEqual([]);
  expect(acknowledgments).toEqual([true]);
});

test.each<[string, (all: Replicated) => void]>([
  ['a redirection', ({ connection }) => Object.assign(connection, { redirections: 1 })],
  ['a new table of slots', ({ connection }) => Object.assign(connection, { masterOf: () => 'b' })],
])('replicas: after %s during an operation, all masters are asked', async (_, change) => {
  const all = createReplicated();
  await all.replicas.acknowledged('a', async () => void change(all));
  expect([all.server('a').sent.length, all.server('b').sent.length]).toEqual([4, 4]);
});

type Replicated = ReturnType<typeof createReplicated>;

test.each<[string, (all: Replicated) => void]>([
  ['another connection', ({ server }) => Object.assign(server('a').main, { stream: {} })],
  ['another node', ({ masters }) => masters.set('a', createMaster('id-of-a').main)],
  ['no connection', ({ masters }) => masters.delete('a')],
  ['another replication ID', ({ server }) => Object.assign(server('a').state, { id: 'new' })],
  ['another role', ({ server }) => Object.assign(server('a').state, { role: 'slave' })],
  ['a failed write', ({ server }) => Object.assign(server('a').state, { failure: new Error() })],
])('replicas: %s since the operation began does not acknowledge', async (_, change) => {
  const all = createReplicated();
  await all.replicas.learn();
  const changed = all.replicas.acknowledged('a', async () => change(all));
  await expect(changed).rejects.toThrow(Unacknowledged);
  expect(all.acknowledgments).toEqual([false]);
});

const keys = createKeys('postern:');

/** The number of a master of three. */
const masterOf = (key: string) => String(slotOf(key) % 3);

const ofMaster = (ids: readonly string[], ...masters: string[]) =>
  ids.filter((id) => masters.includes(masterOf(keys.grant(id)))).sort();

/**
 * Adds deliveries of 3000 tokens. `fails`: whether the script with these keys fails; `isDown`: whether a master
 * accepts no write.
 */
async function adding(
  isCluster: boolean,
  fails: (names: readonly string[], run: number) => boolean,
  isDown: (master: string) => boolean = () => false,
) {
  const ids = Array.from({ length: 3000 }, newId);
  const ran: string[] = [];
  let running = 0;
  let most = 0;
  const connection = { isCluster, masterOf: isCluster ? masterOf : () => '' };
  const written: string[] = [];
  async function write(master: string): Promise<void> {
    written.push(master);
    if (isDown(master)) throw new StoreUnavailable('Connection is closed.');
  }
  async function run(_: string, names: readonly string[]) {
    const count = ran.push(names[0] ?? '');
    running += names.length / 2;
    most = Math.max(most, running);
    await new Promise((resolve) => setImmediate(resolve));
    running -= names.length / 2;
    if (fails(names, count)) throw new StoreUnavailable('Command timed out');
    return names.filter((_, i) => i % 2 === 0).map(() => ['web', '/download/', '']);
  }
  const add = createAddDelivered({ connection, keys, run } as unknown as Commands, write);
  const { added, unsent, lost } = await add(ids.map((id) => [id, sent([0, 1])]));
  const idsOf = (entries: typeof lost) => entries.map(([id]) => id).sort();
  return {
    ...{ ids: ids.sort(), ran, written: written.sort(), most },
    added: added.map(({ id }) => id).sort(),
    unsent: idsOf(unsent),
    lost: idsOf(lost),
  };
}

test('delivery: in a cluster, a master that hangs fails one batch, and only its own tokens', async () => {
  const { ids, ran, most, added, unsent, lost } = await adding(true, ([key = '']) => {
    return masterOf(key) === '1';
  });
  expect([...unsent, ...lost].sort()).toEqual(ofMaster(ids, '1'));
  // Redis may have added these.
  expect(lost).toHaveLength(25);
  expect(added).toEqual(ofMaster(ids, '0', '2'));
  // The timeout of one batch passes once for all of its tokens, which are asked together.
  expect(ran.filter((key) => masterOf(key) === '1')).toHaveLength(25);
  expect(most).toBe(3 * 25);
});

test('delivery: in a cluster, a token that fails stops no other', async () => {
  const { ids, added, unsent, lost } = await adding(true, (_, run) => run % 10 === 0);
  expect([unsent.length, lost.length]).toEqual([0, 300]);
  expect([...added, ...lost].sort()).toEqual(ids);
});

test('delivery: a server that does not answer is asked once', async () => {
  const { ids, ran, added, unsent, lost } = await adding(false, () => true);
  expect([ran.length, added, lost.length]).toEqual([1, [], 25]);
  expect([...unsent, ...lost].sort()).toEqual(ids);
});

test('delivery: a master that accepts no write gets no deliveries, which can be added later', async () => {
  const never = () => false;
  const one = await adding(true, never, (master) => master === '1');
  expect(one).toMatchObject({ lost: [], written: ['0', '1', '2'] });
  expect(one.unsent).toEqual(ofMaster(one.ids, '1'));
  expect(one.added).toEqual(ofMaster(one.ids, '0', '2'));
  const all = await adding(false, never, () => true);
  expect(all).toMatchObject({ ran: [], added: [], unsent: all.ids, lost: [], written: [''] });
});
