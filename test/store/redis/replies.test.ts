import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodeRecord } from '../../../service/store/redis/record.ts';
import { StoreUnavailable } from '../../../service/token/store.ts';
import { waitFor } from '../../harness/wait.ts';
import {
  type Answer,
  bulk,
  caught,
  type FakeRedis,
  list,
  startFakeCluster,
  startFakeSentinel,
  startFakeServer,
} from '../fake-redis.ts';
import { grantAt, newId } from '../grants.ts';
import { answers, storeAt } from '../open-redis.ts';

const SECRET = 'content-of-a-reply';
const RECORD = encodeRecord(grantAt(Date.now()));

function opened(url: string) {
  const { store, states, messages } = storeAt(url, { timeoutMs: 2_000 });
  return { store, news: () => [...states, ...messages].join() };
}

/** Answers some commands in another way than before; the others if `more` returns undefined. */
function overridden(fake: FakeRedis, more: Answer): () => void {
  const normal = fake.state.answer;
  fake.state.answer = (command) => more(command) ?? normal(command);
  return () => {
    fake.state.answer = normal;
  };
}

const UNSOLICITED: ReadonlyArray<readonly [string, string]> = [
  ['null', '$-1\r\n'],
  ['a text', bulk(SECRET)],
  ['an error', `-${SECRET}\r\n`],
  ['a push of null', '>1\r\n_\r\n'],
  ['a push of a message', `>3\r\n${bulk('message')}${bulk('a')}${bulk(SECRET)}`],
  ['a push that subscribes', `>3\r\n${bulk('subscribe')}${bulk('a')}:1\r\n`],
  ['a push that subscribes to no channel', `>1\r\n${bulk('subscribe')}`],
  ['a push that unsubscribes', `>3\r\n${bulk('unsubscribe')}${bulk('a')}:0\r\n`],
  ['an unknown type', `?${SECRET}\r\n`],
];

test.each(UNSOLICITED)(
  'Redis replies: %s without a command ends the connection, and the store reconnects',
  async (_, raw) => {
    const errors = caught();
    const { url, servers } = await startFakeServer(RECORD);
    const [redis] = servers as [FakeRedis];
    const { store, news } = opened(url);
    await answers(store);
    redis.push(raw);
    await waitFor(() => redis.state.connections === 2, { what: 'a second connection' });
    await answers(store);
    expect(await store.find(newId())).toBeDefined();
    expect(errors).toEqual([]);
    expect(news()).toContain('Redis sent an unexpected reply');
    expect(news()).not.toContain(SECRET);
  },
);

const WRONG_VALUES: ReadonlyArray<readonly [string, string]> = [
  ['no value', '*0\r\n'],
  ['null', '$-1\r\n'],
  ['a number', ':1\r\n'],
  ['a text', '+OK\r\n'],
  ['a list of numbers', '*1\r\n:0\r\n'],
  ['a list of lists', '*1\r\n*0\r\n'],
  ['one value too many', '*2\r\n$-1\r\n$-1\r\n'],
];

test.each([...WRONG_VALUES, ...UNSOLICITED.filter(([, raw]) => raw.startsWith('>'))])(
  'Redis replies: a look-up that gets %s fails instead of finding no token',
  async (_, raw) => {
    const errors = caught();
    const { url, servers } = await startFakeServer(RECORD);
    const { store } = opened(url);
    await answers(store);
    overridden(servers[0] as FakeRedis, ([name]) => (name === 'mget' ? raw : undefined));
    for (const found of [store.find(newId()), store.findTimed(newId())]) {
      await expect(found).rejects.toBeInstanceOf(StoreUnavailable);
    }
    expect(errors).toEqual([]);
  },
);

/** A store whose sentinel answers each SUBSCRIBE in this way. */
async function subscribing(answer: (time: number) => string | undefined) {
  const errors = caught();
  const { url, sentinel } = await startFakeSentinel(RECORD);
  let times = 0;
  overridden(sentinel, ([name]) => {
    if (name?.toLowerCase() !== 'subscribe') return undefined;
    times += 1;
    return answer(times);
  });
  const { store } = opened(url);
  await answers(store);
  const asked = (most: number) => waitFor(() => times >= most, { what: `SUBSCRIBE ${most}` });
  await asked(1);
  return { store, sentinel, asked, errors };
}

test.each(['*0\r\n', '$-1\r\n', `>1\r\n${bulk('subscribe')}`, '*1\r\n*0\r\n', '?\r\n'])(
  'Redis replies: a sentinel that answers SUBSCRIBE with %j does not end the process',
  async (raw) => {
    const { store, errors } = await subscribing(() => raw);
    await answers(store);
    expect(await store.find(newId())).toBeDefined();
    expect(errors).toEqual([]);
  },
);

test('Redis replies: a sentinel that refuses to be subscribed to again does not end the process', async () => {
  const again = (time: number) => (time > 1 ? '-NOPERM\r\n' : undefined);
  const { store, sentinel, asked, errors } = await subscribing(again);
  sentinel.push('*0\r\n');
  await asked(2);
  await answers(store);
  expect(errors).toEqual([]);
});

/** Expects that Postern asks again if the answer to a question is wrong, and works after the right answer. */
async function isAskedAgain(url: string, fake: FakeRedis, question: string, raw: string) {
  const errors = caught();
  let asked = 0;
  const restore = overridden(fake, ([, second]) => {
    if (second?.toLowerCase() !== question) return undefined;
    asked += 1;
    return raw;
  });
  const { store, news } = opened(url);
  await waitFor(() => asked > 1, { what: 'another question' });
  await expect(store.find(newId())).rejects.toBeInstanceOf(StoreUnavailable);
  restore();
  await answers(store);
  expect(await store.find(newId())).toBeDefined();
  expect(errors).toEqual([]);
  expect(news()).not.toContain(SECRET);
}

test.each([
  '*0\r\n',
  list(bulk('127.0.0.1'), bulk('no port')),
  list(bulk('127.0.0.1'), bulk('99999')),
  list('*0\r\n', bulk('6379')),
  bulk(SECRET),
])('Redis replies: after a sentinel named the master %j, Postern asks again', async (raw) => {
  const { url, sentinel } = await startFakeSentinel(RECORD);
  await isAskedAgain(url, sentinel, 'get-master-addr-by-name', raw);
});

test.each([
  ['null', '_\r\n'],
  ['a text', bulk(SECRET)],
  ['a list of null', '*1\r\n_\r\n'],
  ['a node of null', list(list(':0\r\n', ':16383\r\n', '_\r\n'))],
  ['a node without a port', list(list(':0\r\n', ':16383\r\n', list(bulk('127.0.0.1'))))],
  ['too many slots', list(list(':0\r\n', ':9007199254740991\r\n', list(bulk('a'), ':1\r\n')))],
  ['texts as slots', list(list(bulk('0'), bulk('16383'), list(bulk('127.0.0.1'), ':1\r\n')))],
])('Redis replies: CLUSTER SLOTS with %s does not end the process', async (_, raw) => {
  const { url, node } = await startFakeCluster(RECORD);
  await isAskedAgain(url, node, 'slots', raw);
});

test.each(['MOVED 1', 'MOVED 1 nowhere', 'ASK 1', 'ASK 1 nowhere', 'ASK'])(
  'Redis replies: a node that answers %s fails the look-up',
  async (raw) => {
    const errors = caught();
    const { url, node } = await startFakeCluster(RECORD);
    const { store } = opened(url);
    await answers(store);
    const restore = overridden(node, ([name]) => (name === 'get' ? `-${raw}\r\n` : undefined));
    await expect(store.find(newId())).rejects.toBeInstanceOf(StoreUnavailable);
    restore();
    await answers(store);
    await turn();
    expect(errors).toEqual([]);
  },
);

// Redis names no host of a master that was restarted with another ID.
test('Redis replies: a replica whose master has no host in CLUSTER SLOTS is not asked', async () => {
  const { url, node } = await startFakeCluster(RECORD);
  const { store } = opened(url);
  await answers(store);
  expect(await store.find(newId())).toBeDefined();
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
  expect(await store.find(newId())).toBeDefined();
});

const ROUNDS = 25;

const word = fc.constantFrom(
  ...['OK', '', SECRET, '1', 'subscribe', 'message', '+switch-master', 'MOVED 1', 'ASK 1 a'],
  ...['127.0.0.1', encodeRecord(grantAt(Date.now()))],
);

/** A frame of RESP2 or RESP3, often one that no Redis would send. */
const { frame } = fc.letrec<{ frame: string; scalar: string; many: string }>((tie) => ({
  scalar: fc.oneof(
    word.map(bulk),
    word.map((text) => `+${text}\r\n`),
    word.map((text) => `-${text}\r\n`),
    word.map((text) => `!${text.length}\r\n${text}\r\n`),
    word.map((text) => `=${text.length + 4}\r\ntxt:${text}\r\n`),
    fc.integer().map((number) => `:${number}\r\n`),
    fc
      .constantFrom('$-1', '*-1', '_', '#t', ',1.5', ',inf', '(12345678901234567890')
      .map((text) => `${text}\r\n`),
    fc
      .constantFrom('$-2', '$99\r\nab', '*9', '?', 'HTTP/1.1 400\r\n', '', '*x', ':')
      .map((text) => `${text}\r\n`),
  ),
  many: fc
    .tuple(fc.constantFrom('*', '~', '>', '%'), fc.array(tie('frame'), { maxLength: 4 }))
    .map(([type, items]) => {
      const count = type === '%' ? Math.floor(items.length / 2) : items.length;
      return `${type}${count}\r\n${items.join('')}`;
    }),
  frame: fc.oneof({ maxDepth: 3 }, tie('scalar'), tie('many')),
}));

const unasked = fc.constantFrom('$-1\r\n', '_\r\n', '>1\r\n_\r\n', `>1\r\n${bulk('subscribe')}`);

/** To the commands of a round, in turn; null: the normal reply. */
const round = fc.record({
  replies: fc.array(fc.oneof(fc.constant(null), frame), { minLength: 1, maxLength: 8 }),
  pushed: fc.array(fc.oneof(frame, unasked), { maxLength: 2 }),
  cut: fc.boolean(),
});

const kinds = [
  ['server', startFakeServer],
  ['sentinel', startFakeSentinel],
  ['cluster', startFakeCluster],
] as const;

test.each(kinds)(
  'Redis replies: a %s that answers anything neither ends the process nor finds a token',
  async (_, start) => {
    const errors = caught();
    const { url, servers } = await start();
    const { store, messages } = storeAt(url, { timeoutMs: 300 });
    await answers(store);
    const normal = servers.map(({ state }) => state.answer);

    await fc.assert(
      fc.asyncProperty(round, async ({ replies, pushed, cut }) => {
        let sent = pushed.join('');
        const left = [...replies];
        for (const [i, { state }] of servers.entries()) {
          state.answer = (command) => {
            const reply = left.shift() ?? (normal[i] as Answer)(command);
            sent += reply;
            return reply;
          };
        }
        // Half of the rounds begin with a handshake.
        if (cut) for (const server of servers) server.cut();
        const push = (raw = '') => servers.forEach((server) => void server.push(raw));
        push(pushed[0]);
        const looked = Promise.allSettled([store.find(newId()), store.findTimed(newId())]);
        push(pushed[1]);
        for (const found of await looked) {
          if (found.status === 'rejected') continue;
          // The library reads each negative length as null.
          if (found.value === undefined) expect(sent).toMatch(/[$*]-\d|_\r\n/);
          else expect(sent).toContain('download');
        }
        for (const [i, server] of servers.entries()) {
          server.state.answer = normal[i] as Answer;
          server.cut();
        }
        await answers(store);
        await waitFor(async () => (await store.find(newId()).catch(() => null)) === undefined, {
          what: 'no token',
        });
        expect(errors).toEqual([]);
      }),
      { numRuns: ROUNDS },
    );
    expect(messages.join()).not.toContain(SECRET);
  },
);
