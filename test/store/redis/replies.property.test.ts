import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodeRecord } from '../../../service/store/redis/record.ts';
import { waitFor } from '../../harness/wait.ts';
import {
  type Answer,
  bulk,
  caught,
  startFakeCluster,
  startFakeRedis,
  startFakeSentinel,
} from '../fake-redis.ts';
import { grantAt, newId } from '../grants.ts';
import { answers, storeAt } from '../open-redis.ts';

const SECRET = 'content-of-a-reply';
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
  [
    'server',
    async () => {
      const redis = await startFakeRedis();
      return { url: `redis://127.0.0.1:${redis.port}`, servers: [redis] };
    },
  ],
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
