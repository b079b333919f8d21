import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { expect, test, vi } from 'vitest';
import { waitFor } from '../../harness/wait.ts';
import { issueTo } from '../../support/store/grants.ts';
import {
  answers,
  observerOf,
  startProxied,
  storeAt,
  tell,
} from '../../support/store/open-redis.ts';
import { startHoldingProxy } from '../../support/store/proxies.ts';

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
