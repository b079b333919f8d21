import { expect, onTestFinished, test, vi } from 'vitest';
import { createMetrics } from '../../service/metrics/metrics.ts';
import { createMemoryStore } from '../../service/store/memory.ts';
import { type Store, Unconfirmed } from '../../service/token/store.ts';
import { brokenStore } from '../api/broken-store.ts';
import { storeContract } from '../store/contract.ts';
import { sent } from '../store/contract-delivered.ts';
import { grantAt, newId } from '../store/grants.ts';
import { samplesOf } from '../support/samples.ts';

function measured(store: Store) {
  const metrics = createMetrics({ version: '0.0.0', node: 'v20.0.0' });
  const samples = async () => samplesOf(await metrics.text());
  return { store: metrics.measuredStore(store), samples };
}

storeContract('a store that is measured', async () => {
  let time = 1_800_000_000_000;
  const now = () => time;
  const { store } = measured(createMemoryStore({ now }));
  const pass = async (ms: number) => {
    time += ms;
  };
  return { store, now, pass, close: () => store.close() };
});

const id = newId();
const calls: ReadonlyArray<readonly [operation: string, call: (store: Store) => Promise<unknown>]> =
  [
    ['issue', (store) => store.issue([[id, grantAt(Date.now())]])],
    ['find', (store) => store.find(id)],
    ['redeem', (store) => store.redeem(id, { cookies: [], newCookie: newId() }, true)],
    ['add_delivered', (store) => store.addDelivered([[id, sent([0, 1])]])],
    ['requesters', (store) => store.requesters(id)],
    ['find_external', (store) => store.findExternal(id)],
    ['save_external', (store) => store.saveExternal(id, grantAt(Date.now()))],
    ['revoke_external', (store) => store.revokeExternal(id, Date.now())],
    ['prolong', (store) => store.prolong(id, 'web', Date.now())],
    ['revoke', (store) => store.revoke(id, 'web')],
    ['list', (store) => store.list('web', { subject: 'ada' }, 1)],
    ['revoke_subject', (store) => store.revokeSubject('web', 'ada')],
    ['revoke_client', (store) => store.revokeClient('web')],
    ['check', (store) => store.check()],
  ];

test.each(calls)(
  'metrics: the store operation %s is timed, and counted if it fails',
  async (operation, call) => {
    const whole = measured(createMemoryStore());
    await call(whole.store);
    const answered = await whole.samples();
    expect(answered.get('postern_store_up')).toBe(1);
    const broken = measured(brokenStore());
    await expect(call(broken.store)).rejects.toThrow('Connection is closed.');
    const failed = await broken.samples();
    expect(failed.get('postern_store_up')).toBe(0);
    for (const [name] of calls) {
      const times = name === operation ? 1 : 0;
      const [count, errors] = [
        `postern_store_seconds_count{operation="${name}"}`,
        `postern_store_errors_total{operation="${name}"}`,
      ];
      expect([answered.get(count), answered.get(errors)]).toEqual([times, 0]);
      expect([failed.get(count), failed.get(errors)]).toEqual([times, times]);
    }
    expect(failed.get('postern_tokens_revoked_total')).toBe(0);
  },
);

test('metrics: deliveries that the store did not accept count as one failed operation', async () => {
  const entry = [id, sent([0, 1])] as const;
  const errors = 'postern_store_errors_total{operation="add_delivered"}';
  for (const failed of [{ unsent: [entry, entry] }, { lost: [entry] }]) {
    const addDelivered = async () => ({ counted: [], unsent: [], lost: [], ...failed });
    const { store, samples } = measured({ ...createMemoryStore(), addDelivered });
    await store.addDelivered([entry, entry]);
    const seen = await samples();
    expect([seen.get('postern_store_up'), seen.get(errors)]).toEqual([0, 1]);
  }
});

test('metrics: the time of an operation is the time until the store answers', async () => {
  let release = () => {};
  const slow = new Promise<void>((resolve) => {
    release = resolve;
  });
  const store = { ...createMemoryStore(), find: () => slow.then(() => undefined) };
  const { store: timed, samples } = measured(store);
  vi.useFakeTimers({ toFake: ['performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const asked = timed.find(id);
  vi.advanceTimersByTime(250);
  release();
  await asked;
  expect((await samples()).get('postern_store_seconds_sum{operation="find"}')).toBe(0.25);
});

test('metrics: a revoked token of another issuer counts as one revocation', async () => {
  const { store, samples } = measured(createMemoryStore());
  await store.revokeExternal(newId(), Date.now() + 1000);
  expect((await samples()).get('postern_tokens_revoked_total')).toBe(1);
});

test('metrics: only a redeemed use is counted', async () => {
  const { store, samples } = measured(createMemoryStore());
  await store.issue([[id, grantAt(Date.now(), { uses: { max: 1, resumeFor: 60 } })]]);
  const requester = { cookies: [], address: '192.0.2.1', newCookie: newId() };
  const redeemed = async () => (await samples()).get('postern_tokens_redeemed_total');
  expect(await store.redeem(id, requester, false)).toBe('new');
  expect(await redeemed()).toBe(0);
  expect(await store.redeem(id, requester, true)).toBe('new');
  expect(await store.redeem(id, requester, true)).toBe('known');
  expect(await store.redeem(id, { ...requester, address: '192.0.2.2' }, true)).toBeUndefined();
  expect(await redeemed()).toBe(1);
});

test('metrics: a change that replicas did not confirm is an error of a store that is up', async () => {
  const memory = createMemoryStore();
  const revoke = () => Promise.reject(new Unconfirmed('0 of 1'));
  const { store, samples } = measured({ ...memory, revoke });
  await store.find(id);
  await expect(store.revoke(id, 'web')).rejects.toThrow(Unconfirmed);
  expect((await samples()).get('postern_store_up')).toBe(1);
  expect((await samples()).get('postern_store_errors_total{operation="revoke"}')).toBe(1);
});

test('metrics: what a store reports is counted', async () => {
  const { storeObserver: store, text } = createMetrics({ version: '0.0.0', node: 'v20.0.0' });
  store.confirmed(true);
  store.confirmed(false);
  store.confirmed(false);
  store.redirected();
  store.late('loop');
  store.failedOver(1.5);
  const samples = samplesOf(await text());
  const result = (value: string) => `postern_store_confirmations_total{result="${value}"}`;
  expect(samples.get(result('confirmed'))).toBe(1);
  expect(samples.get(result('unconfirmed'))).toBe(2);
  expect(samples.get('postern_store_redirections_total')).toBe(1);
  expect(samples.get('postern_store_late_total{cause="loop"}')).toBe(1);
  expect(samples.get('postern_store_late_total{cause="store"}')).toBe(0);
  expect(samples.get('postern_store_failover_seconds_sum')).toBe(1.5);
  expect(samples.get('postern_store_failover_seconds_bucket{le="1"}')).toBe(0);
  expect(samples.get('postern_store_failover_seconds_bucket{le="2"}')).toBe(1);
});

test('metrics: close() closes the measured store', async () => {
  const { store } = measured(createMemoryStore());
  await store.issue([[id, grantAt(Date.now())]]);
  await store.close();
  expect(await store.find(id)).toBeUndefined();
});
