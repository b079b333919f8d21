import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { expect, test, vi } from 'vitest';
import { grantAt, issueTo, newId } from '../../support/store/grants.ts';
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
  await expect.poll(() => late.length, { message: 'the time limit' }).toBeGreaterThan(0);
  await found;
  expect(unhandled).toHaveBeenCalledOnce();
  expect(late).toContain('store');
  expect(late).not.toContain('loop');
});

// A piece has 200 tokens. The first ends earlier than the others, and is revoked first.
async function many(timeoutMs: number) {
  const { proxy, store: patient } = await startProxied(startHoldingProxy);
  const late: string[] = [];
  const { store } = storeAt(`redis://127.0.0.1:${proxy.port}/0`, {
    timeoutMs,
    observer: observerOf({ late: (cause) => void late.push(cause) }),
  });
  const of = (count: number, ms: number) =>
    Array.from({ length: count }, () => {
      const expiresAt = Date.now() + ms;
      return [newId(), grantAt(Date.now(), { subject: 'u', expiresAt })] as const;
    });
  const second = of(1, 90_000);
  const issued = [...of(200, 60_000), ...second, ...of(249, 120_000)];
  await patient.issue(issued);
  await answers(store);
  late.length = 0;
  // Replies wait from the second piece on.
  proxy.hold(new RegExp(`unlink[^]*${second[0]?.[0]}`, 'i'));
  const revoking = store.revokeAll('web', { subject: 'u' });
  revoking.catch(() => {});
  await expect.poll(() => late.length, { message: 'the time limit' }).toBeGreaterThan(0);
  return { proxy, patient, revoking, ids: issued.map(([id]) => id) };
}

test('late: a revocation of many goes on after a late reply, and counts every token', async () => {
  const { proxy, patient, revoking, ids } = await many(TIMEOUT_MS);
  expect(proxy.isHolding()).toBe(true);
  proxy.release();
  expect(await revoking).toBe(ids.length);
  for (const id of ids) expect(await patient.find(id)).toEqual({});
});

test('late: a revocation of many goes on after its connection was lost', async () => {
  const { proxy, patient, revoking, ids } = await many(TIMEOUT_MS);
  proxy.release();
  proxy.reset();
  // Redis may have ended the second piece, whose reply is lost.
  expect(await revoking).toBeGreaterThanOrEqual(ids.length - 200);
  for (const id of ids) expect(await patient.find(id)).toEqual({});
});

test('late: a revocation of many that Redis stops to answer fails, and says how many were revoked', async () => {
  const { proxy, patient, revoking, ids } = await many(50);
  await expect(revoking).rejects.toMatchObject({ name: 'StoreUnavailable', revoked: 200 });
  proxy.release();
  await patient.revokeAll('web', { subject: 'u' });
  for (const id of ids) expect(await patient.find(id)).toEqual({});
});
