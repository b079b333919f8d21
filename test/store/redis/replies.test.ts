import { expect, test } from 'vitest';
import { encodeRecord } from '../../../service/store/redis/record.ts';
import { type Store, StoreUnavailable } from '../../../service/token/store.ts';
import { waitFor } from '../../harness/wait.ts';
import { serviceForTest } from '../../support/ask-service.ts';
import {
  type Answer,
  bulk,
  caught,
  type FakeRedis,
  list,
  startFakeCluster,
  startFakeSentinel,
  startFakeServer,
} from '../../support/store/fake-redis.ts';
import { from, grantAt, issueTo, newId } from '../../support/store/grants.ts';
import { answers, startProxied, storeAt } from '../../support/store/open-redis.ts';
import { startHoldingProxy } from '../../support/store/proxies.ts';

const SECRET = 'content-of-a-reply';
const ID = newId();
const RECORD = encodeRecord(ID, grantAt(Date.now()));

/** Answers some commands in another way than before; the others if `more` returns undefined. */
function overridden(fake: FakeRedis, more: Answer): () => void {
  const normal = fake.state.answer;
  fake.state.answer = (command) => more(command) ?? normal(command);
  return () => {
    fake.state.answer = normal;
  };
}

// Redis decides who may download, so checking the form of its replies protects nobody. The supervisor starts Postern
// again, on new connections.
test.each([
  ['a reply to no command', bulk(SECRET), 'Redis sent a reply to no command'],
  ['a push of null', '>1\r\n_\r\n', 'TypeError: '],
])('Redis replies: %s ends the process with one line and status 1', async (_, raw, reason) => {
  const { url, servers } = await startFakeServer(RECORD);
  const service = await serviceForTest({ POSTERN_STORE: url }, 1);
  servers[0]?.push(raw);
  const lines = () =>
    service
      .stdout()
      .split('\n')
      .filter((line) => line.includes('"fatal"'));
  await expect.poll(() => lines(), { message: 'the line' }).not.toHaveLength(0);
  await service.stop();
  expect(lines().map((line) => JSON.parse(line))).toEqual([
    expect.objectContaining({ reason: expect.stringContaining(reason), at: expect.any(String) }),
  ]);
  expect(service.stdout() + service.stderr()).not.toContain(SECRET);
});

// As after a proxy that lost bytes: each later reply belongs to the command before.
test.each(['*0\r\n', '*2\r\n$-1\r\n$-1\r\n', ':1000\r\n', '+OK\r\n', '*1\r\n:1\r\n'])(
  'Redis replies: a look-up that gets %j fails, and Postern connects again',
  async (raw) => {
    const { url, servers } = await startFakeServer(RECORD);
    const { store } = storeAt(url);
    await answers(store);
    const [fake] = servers as [FakeRedis];
    const before = fake.state.connections;
    const restore = overridden(fake, ([name]) => (name === 'mget' ? raw : undefined));
    await expect(store.find(newId())).rejects.toThrow('unexpected reply');
    await expect(store.find(newId(), 'timed')).rejects.toBeInstanceOf(StoreUnavailable);
    restore();
    await expect.poll(() => fake.state.connections).toBeGreaterThan(before);
    await answers(store);
    expect((await store.find(ID)).grant).toBeDefined();
  },
);

// A token that is unknown or used up must not get the reply to the next command.
test.each<[string, (store: Store, id: string) => Promise<unknown>]>([
  ['look-up', (store, id) => store.find(id)],
  ['look-up with the end', (store, id) => store.find(id, 'timed')],
  ['use', (store, id) => store.redeem(id, from('192.0.2.2'), true)],
  ['check of a use', (store, id) => store.redeem(id, from('192.0.2.2'), false)],
])('Redis replies: after one is lost, a %s does not take that of another token', async (_, ask) => {
  const { proxy, store } = await startProxied(startHoldingProxy, { checkEveryMs: 600_000 });
  const uses = { max: 1, resumeFor: 60 };
  const [lost, other] = [await issueTo(store, { uses }), await issueTo(store, { uses })];
  await store.redeem(lost, from('192.0.2.1'), true);
  const before = proxy.connections();
  proxy.lose(lost);
  const asked = expect(ask(store, lost)).rejects.toThrow('unexpected reply');
  await waitFor(proxy.hasLost, { what: 'the reply to be lost' });
  ask(store, other).catch(() => {});
  await asked;
  await expect.poll(() => proxy.connections()).toBeGreaterThan(before);
  await answers(store);
  expect((await store.find(other)).grant).toBeDefined();
});

test('Redis replies: a sentinel that refuses to be subscribed to again does not end the process', async () => {
  const errors = caught();
  const { url, sentinel } = await startFakeSentinel(RECORD);
  let [times, refused] = [0, 0];
  let refuses = false;
  overridden(sentinel, ([name]) => {
    if (name?.toLowerCase() !== 'subscribe') return undefined;
    times += 1;
    if (!refuses) return undefined;
    refused += 1;
    return '-NOPERM\r\n';
  });
  const { store } = storeAt(url);
  await answers(store);
  await expect.poll(() => times, { message: 'SUBSCRIBE' }).toBeGreaterThan(0);
  refuses = true;
  sentinel.cut();
  await expect.poll(() => refused).toBeGreaterThan(0);
  await answers(store);
  expect(errors).toEqual([]);
});

// After that, the library would never ask again.
test.each(['*0\r\n', list(bulk('127.0.0.1'), bulk('99999'))])(
  'Redis replies: after a sentinel named the master %j, Postern asks again',
  async (raw) => {
    const { url, sentinel } = await startFakeSentinel(RECORD);
    let asked = 0;
    const restore = overridden(sentinel, ([, question]) => {
      if (question !== 'get-master-addr-by-name') return undefined;
      asked += 1;
      return raw;
    });
    const { store } = storeAt(url);
    await expect.poll(() => asked, { message: 'another question' }).toBeGreaterThan(1);
    await expect(store.find(newId())).rejects.toBeInstanceOf(StoreUnavailable);
    restore();
    await answers(store);
    expect((await store.find(ID)).grant).toBeDefined();
  },
);

test.each([
  ['a failed ASKING', '-ERR\r\n'],
  ['an ASKING without a reply', undefined],
])('Redis replies: %s fails the look-up, and does not end the process', async (_, raw) => {
  const errors = caught();
  const { url, node } = await startFakeCluster(RECORD);
  const { store } = storeAt(url);
  await answers(store);
  let isAsked = false;
  node.state.answer = (
    (normal: Answer): Answer =>
    (command) => {
      if (command[0] === 'get') return `-ASK 1 127.0.0.1:${node.port}\r\n`;
      isAsked ||= command[0] === 'asking';
      return command[0] === 'asking' ? raw : normal(command);
    }
  )(node.state.answer);
  const found = expect(store.find(newId())).rejects.toBeInstanceOf(StoreUnavailable);
  await waitFor(() => isAsked, { what: 'ASKING' });
  if (raw === undefined) node.cut();
  await found;
  expect(errors).toEqual([]);
});

test.each(['MOVED 1', 'MOVED 1 nowhere', 'ASK 1 :1', 'ASK'])(
  'Redis replies: a node that answers %s fails the look-up, and the table of slots is read again',
  async (raw) => {
    const errors = caught();
    const { url, node } = await startFakeCluster(RECORD);
    const { store } = storeAt(url);
    await answers(store);
    let refreshed = 0;
    const restore = overridden(node, ([name]) => {
      if (name === 'cluster') refreshed += 1;
      return name === 'get' ? `-${raw}\r\n` : undefined;
    });
    await expect(store.find(newId())).rejects.toBeInstanceOf(StoreUnavailable);
    expect(refreshed).toBeGreaterThan(0);
    restore();
    await answers(store);
    expect(errors).toEqual([]);
  },
);

// Redis names no host of a master that was restarted with another ID.
test('Redis replies: a replica whose master has no host in CLUSTER SLOTS is not asked', async () => {
  const { url, node } = await startFakeCluster(RECORD);
  const { store } = storeAt(url);
  await answers(store);
  expect((await store.find(ID)).grant).toBeDefined();
  const replica = list(bulk('127.0.0.1'), `:${node.port}\r\n`);
  const slots = list(list(':0\r\n', ':16383\r\n', list('$-1\r\n', ':0\r\n'), replica));
  let isReplica = false;
  const restore = overridden(node, ([name]) => {
    isReplica ||= name === 'readonly';
    return name === 'cluster' ? slots : undefined;
  });
  await waitFor(() => isReplica, { what: 'the new table of slots' });
  await expect(store.find(newId())).rejects.toBeInstanceOf(StoreUnavailable);
  restore();
  await answers(store);
  expect((await store.find(ID)).grant).toBeDefined();
});
