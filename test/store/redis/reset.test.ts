import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { expect, onTestFinished, test, vi } from 'vitest';
import { type Store, StoreUnavailable } from '../../../service/token/store.ts';
import { waitFor } from '../../harness/wait.ts';
import { startFakeRedis } from '../../support/store/fake-redis.ts';
import { from, issueTo, newId } from '../../support/store/grants.ts';
import {
  answers,
  observerOf,
  startProxied,
  storeAt,
  tell,
} from '../../support/store/open-redis.ts';
import { startHoldingProxy } from '../../support/store/proxies.ts';

const started = () => startProxied(startHoldingProxy);

/** Starts a call in each of 300 turns of the event loop, with an event after a third, and counts the failures. */
async function failuresOf(call: (i: number) => Promise<unknown>, event: () => void) {
  const calls: Array<Promise<number>> = [];
  for (let i = 0; i < 300; i += 1) {
    if (i === 100) event();
    calls.push(
      call(i).then(
        () => 0,
        () => 1,
      ),
    );
    await turn();
  }
  return (await Promise.all(calls)).reduce((sum, failed) => sum + failed, 0);
}

test('reset: a reset connection fails no look-up', async () => {
  const { proxy, store } = await started();
  const id = await issueTo(store);
  const find = async (i: number) => {
    const found = await (i % 2 === 0 ? store.find(id) : store.find(id, 'timed'));
    expect(found.grant).toBeDefined();
  };
  expect(await failuresOf(find, proxy.reset)).toBe(0);
  expect(proxy.connections()).toBe(2);
});

test('reset: a use that may have been sent fails, and is not sent again', async () => {
  const { proxy, store } = await started();
  const id = await issueTo(store, { uses: { max: 2, resumeFor: 60 } });
  proxy.hold(/eval/i);
  const failed = expect(store.redeem(id, from(), true)).rejects.toBeInstanceOf(StoreUnavailable);
  await waitFor(proxy.isHolding, { what: 'the use to be sent' });
  proxy.reset();
  await failed;
  proxy.release();
  await answers(store);
  expect((await store.requesters(id)).total).toBe(1);
});

test('reset: on the new connection, the write of the check comes before the look-ups that wait', async () => {
  const redis = await startFakeRedis();
  const calls: Array<Promise<unknown>> = [];
  const { store } = storeAt(`redis://127.0.0.1:${redis.port}`, {
    onState(state) {
      if (state === 'down') calls.push(store.find(newId()), store.redeem(newId(), from(), true));
    },
  });
  await answers(store);
  const names: string[] = [];
  const { answer } = redis.state;
  redis.state.answer = (command) => {
    names.push(command[0] ?? '');
    return answer(command);
  };
  redis.cut();
  await waitFor(() => calls.length > 0, { what: 'the loss' });
  await Promise.all(calls);
  const first = names.filter((name) => !['hello', 'client'].includes(name));
  expect(first[0]).toBe('set');
  expect(first).toContain('mget');
  expect(first).toContain('eval');
});

test('reset: after a reconnect was refused no call waits', async () => {
  const { redis, store } = await started();
  const calls = (given: Store) => [
    given.find(newId()),
    given.redeem(newId(), from(), true),
    issueTo(given),
  ];
  await redis.stop();
  await Promise.allSettled(calls(store));
  // Timers are frozen, so no call can wait for a reconnect or a time limit.
  vi.useFakeTimers({ toFake: ['setTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  for (const failed of await Promise.allSettled(calls(store))) {
    expect(failed).toMatchObject({ status: 'rejected', reason: expect.any(StoreUnavailable) });
  }
});

const TIMEOUT_MS = 100;

/** Wakes the main thread when Redis has handled an MGET and the time limit has passed. */
const UNTIL_MGET = `
const { workerData: { port, state } } = require('node:worker_threads');
const socket = require('node:net').connect(port, '127.0.0.1');
const ask = () => socket.write('INFO commandstats\\r\\n');
let [text, since] = ['', 0];
socket.on('data', (data) => {
  text += data;
  if (text.includes('cmdstat_mget')) since ||= performance.now();
  if (since > 0 && performance.now() - since > ${2 * TIMEOUT_MS}) {
    socket.destroy();
    Atomics.store(state, 0, 1);
    return Atomics.notify(state, 0);
  }
  if (text.endsWith('\\r\\n')) ask();
});
ask();
`;

async function startedLate(options: { hold?: boolean } = {}) {
  const { redis, proxy, store: patient } = await startProxied(startHoldingProxy);
  const late: string[] = [];
  const { store } = storeAt(`redis://127.0.0.1:${options.hold ? proxy.port : redis.port}/0`, {
    timeoutMs: TIMEOUT_MS,
    observer: observerOf({ late: (cause) => void late.push(cause) }),
  });
  const id = await issueTo(patient);
  await answers(store);
  // The checks use MGET, too.
  await tell(redis, 'CONFIG RESETSTAT');
  late.length = 0;
  return { redis, proxy, store, id, late };
}

test('late: a reply that arrived while the event loop was blocked counts, and the metric names the loop', async () => {
  const { redis, store, id, late } = await startedLate();
  const state = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(UNTIL_MGET, { eval: true, workerData: { port: redis.port, state } });
  await once(worker, 'online');
  const found = store.find(id);
  // The command is sent in this turn.
  await turn();
  // After a second, the connection would be closed.
  expect(Atomics.wait(state, 0, 0, 900)).toBe('ok');
  expect((await found).grant).toBeDefined();
  await turn();
  expect(late).toEqual(['loop']);
});

test('late: a reply that does not arrive in time fails the look-up, and the metric names the store', async () => {
  const { proxy, store, id, late } = await startedLate({ hold: true });
  proxy.hold(/mget/i);
  const unhandled = vi.fn();
  const found = store.find(id).catch(unhandled);
  await waitFor(() => late.length > 0, { what: 'the time limit' });
  await found;
  expect(unhandled).toHaveBeenCalledOnce();
  expect(late).toContain('store');
  expect(late).not.toContain('loop');
});
