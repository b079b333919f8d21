import { Registry } from 'prom-client';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createInstruments } from '../../service/metrics/instruments.ts';
import { createMetrics, sharedText } from '../../service/metrics/metrics.ts';
import { createMemoryStore } from '../../service/store/memory.ts';
import { type Store, Unacknowledged } from '../../service/token/store.ts';
import { waitFor } from '../harness/wait.ts';
import { sent } from '../store/contract-delivered.ts';
import { brokenStore } from '../support/ask-api.ts';
import { metricsOf, samplesOf } from '../support/samples.ts';
import { grantAt, newId } from '../support/store/grants.ts';

function measured(store: Store) {
  const metrics = createMetrics({ version: '0.0.0', node: 'v20.0.0' });
  const samples = async () => samplesOf(await metrics.text());
  return { store: metrics.measuredStore(store), samples };
}

const id = newId();
const calls: ReadonlyArray<readonly [operation: string, call: (store: Store) => Promise<unknown>]> =
  [
    ['issue', (store) => store.issue([[id, grantAt(Date.now())]])],
    ['find', (store) => store.find(id)],
    ['redeem', (store) => store.redeem(id, { cookies: [], newCookie: newId() }, true)],
    ['add_delivered', (store) => store.addDelivered([[id, sent([0, 1])]])],
    ['requesters', (store) => store.requesters(id)],
    ['save_external', (store) => store.saveExternal(id, grantAt(Date.now()))],
    ['revoke_external', (store) => store.revokeExternal(id, Date.now())],
    ['revoke_signed', (store) => store.revokeSigned(id, 1, 1000)],
    ['prolong', (store) => store.prolong(id, 'web', Date.now())],
    ['revoke', (store) => store.revoke(id, 'web')],
    ['list', (store) => store.list('web', { subject: 'ada' }, 1)],
    ['revoke_all', (store) => store.revokeAll('web', { subject: 'ada' })],
    ['check', (store) => store.check()],
  ];

test.each(calls)('metrics: %s is timed, and counted if it fails', async (operation, call) => {
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
      `postern_store_operation_seconds_count{operation="${name}"}`,
      `postern_store_errors_total{operation="${name}"}`,
    ];
    expect([answered.get(count), answered.get(errors)]).toEqual([times, 0]);
    expect([failed.get(count), failed.get(errors)]).toEqual([times, times]);
  }
  expect(failed.get('postern_tokens_revoked_total')).toBe(0);
});

test('metrics: deliveries that the store did not accept count as one failed operation', async () => {
  const entry = [id, sent([0, 1])] as const;
  const errors = 'postern_store_errors_total{operation="add_delivered"}';
  for (const failed of [{ unsent: [entry, entry] }, { lost: [entry] }]) {
    const addDelivered = async () => ({ added: [], unsent: [], lost: [], ...failed });
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
  const store = { ...createMemoryStore(), find: () => slow.then(() => ({})) };
  const { store: timed, samples } = measured(store);
  vi.useFakeTimers({ toFake: ['performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const asked = timed.find(id);
  vi.advanceTimersByTime(250);
  release();
  await asked;
  expect((await samples()).get('postern_store_operation_seconds_sum{operation="find"}')).toBe(0.25);
});

test('metrics: a revoked token of another issuer counts as one revocation', async () => {
  const { store, samples } = measured(createMemoryStore());
  await store.revokeExternal(newId(), Date.now() + 1000);
  expect((await samples()).get('postern_tokens_revoked_total')).toBe(1);
});

test('metrics: a change that replicas did not acknowledge is an error of a store that is up', async () => {
  const { find } = createMemoryStore();
  const revoke = () => Promise.reject(new Unacknowledged('0 of 1'));
  const { store, samples } = measured({ ...brokenStore(), find, revoke });
  await store.find(id);
  await expect(store.revoke(id, 'web')).rejects.toThrow(Unacknowledged);
  expect((await samples()).get('postern_store_up')).toBe(1);
  expect((await samples()).get('postern_store_errors_total{operation="revoke"}')).toBe(1);
  await expect(store.check()).rejects.toThrow();
  expect((await samples()).get('postern_store_up')).toBe(0);
});

test('metrics: what a store reports is counted', async () => {
  const { storeObserver: store, text } = createMetrics({ version: '0.0.0', node: 'v20.0.0' });
  store.acknowledged(true);
  store.acknowledged(false);
  store.acknowledged(false);
  store.redirected();
  store.late('loop');
  const samples = samplesOf(await text());
  const result = (value: string) => `postern_store_acknowledgments_total{result="${value}"}`;
  expect(samples.get(result('acknowledged'))).toBe(1);
  expect(samples.get(result('unacknowledged'))).toBe(2);
  expect(samples.get('postern_store_redirections_total')).toBe(1);
  expect(samples.get('postern_store_late_replies_total{cause="loop"}')).toBe(1);
  expect(samples.get('postern_store_late_replies_total{cause="store"}')).toBe(0);
});

test('metrics: close() closes the measured store', async () => {
  const close = vi.fn(async () => {});
  await measured({ ...createMemoryStore(), close }).store.close();
  expect(close).toHaveBeenCalledOnce();
});

test('metrics: each scrape reads CPU time, memory and start time of the process', async () => {
  const metrics = createMetrics({ version: '0.0.0', node: 'v20.0.0' });
  metrics.watchProcess();
  const scrape = async () => samplesOf(await metrics.text());
  const value = async (name: string) => (await scrape()).get(name) ?? Number.NaN;
  const before = await value('process_cpu_seconds_total');
  await expect.poll(() => value('process_cpu_seconds_total')).toBeGreaterThan(before);
  expect(await value('process_resident_memory_bytes')).toBeGreaterThan(1e7);
  expect(await value('nodejs_heap_size_used_bytes')).toBeGreaterThan(1e6);
  const started = Date.now() / 1000 - process.uptime();
  expect(await value('process_start_time_seconds')).toBeCloseTo(started, -1);
});

test('metrics: the event loop delay is that since the last scrape', async () => {
  const metrics = createMetrics({ version: '0.0.0', node: 'v20.0.0' });
  metrics.watchProcess();
  const late = async () => samplesOf(await metrics.text()).get('nodejs_eventloop_lag_max_seconds');
  const turns = () => new Promise((resolve) => setTimeout(resolve, 50));
  const nothing = new Int32Array(new SharedArrayBuffer(4));
  const whenBlocked = await waitFor(
    async () => {
      // A scrape starts a new measurement: one timer before the block, and one after it.
      await turns();
      Atomics.wait(nothing, 0, 0, 200);
      await turns();
      const delay = (await late()) ?? 0;
      return delay > 0.1 && delay;
    },
    { what: 'a delay' },
  );
  await expect.poll(late).toBeLessThan(whenBlocked);
});

function shared() {
  const clock = { now: 5000 };
  let made = 0;
  const make = async () => {
    made += 1;
    if (made === 3) throw new Error('it cannot be made');
    return `text ${made}`;
  };
  return { clock, made: () => made, text: sharedText(make, () => clock.now) };
}

test('metrics: the text is built once for all scrapes within a second', async () => {
  const { clock, made, text } = shared();
  expect(await Promise.all([text(), text(), text()])).toEqual(['text 1', 'text 1', 'text 1']);
  clock.now += 999;
  expect(await text()).toBe('text 1');
  clock.now += 1;
  expect(await Promise.all([text(), text()])).toEqual(['text 2', 'text 2']);
  expect(made()).toBe(2);
});

test('metrics: an error is not cached', async () => {
  const { clock, text } = shared();
  await text();
  clock.now += 1000;
  await text();
  clock.now += 1000;
  await expect(Promise.all([text(), text()])).rejects.toThrow('it cannot be made');
  expect(await text()).toBe('text 4');
});

test('metrics: a bucket is cumulative and includes its bound, and a scrape changes no value', async () => {
  const registry = new Registry();
  const childOf = createInstruments(registry).times('postern_decision_seconds', 'by');
  const [one] = [childOf('one'), childOf('other')];
  for (const seconds of [0, 0.0001, 0.00011, 0.25, 0.2500001, 2, 2.1, 60]) {
    one.observe(seconds);
  }
  const text = await registry.metrics();
  expect(await registry.metrics()).toBe(text);
  expect(metricsOf(text)).toEqual(new Map([['postern_decision_seconds', 'histogram']]));
  const samples = samplesOf(text);
  const upTo = (le: string, by = 'one') =>
    samples.get(`postern_decision_seconds_bucket{le="${le}",by="${by}"}`);
  expect(upTo('0.0001')).toBe(2);
  expect(upTo('0.00025')).toBe(3);
  expect(upTo('0.1')).toBe(3);
  expect(upTo('0.25')).toBe(4);
  expect(upTo('0.5')).toBe(5);
  expect(upTo('2')).toBe(6);
  expect(upTo('+Inf')).toBe(8);
  expect(samples.get('postern_decision_seconds_count{by="one"}')).toBe(8);
  expect(samples.get('postern_decision_seconds_sum{by="one"}')).toBeCloseTo(64.6002101, 6);
  expect(upTo('+Inf', 'other')).toBe(0);
});

test('metrics: only names of the configuration are labels, and users of an issuer count as the issuer', async () => {
  const metrics = createMetrics({ version: '0.0.0', node: 'v20.0.0' });
  const record = metrics.bytesRecorder(new Set(['web', 'login']), new Set(['/download/']));
  const added = { id: newId(), requests: 1, bytes: 10, client: 'web', mount: '/download/' };
  record(added);
  record({ ...added, client: 'login/ada' });
  record({ ...added, client: 'login/bob' });
  record({ ...added, client: 'removed', mount: '/old/' });
  record({ ...added, client: 'removed-2', mount: '/old-2/' });
  const samples = samplesOf(await metrics.text());
  const bytes = [...samples].filter(([name]) => name.startsWith('postern_delivered_bytes_total'));
  expect(
    bytes.map(([name, value]) => [name.replace('postern_delivered_bytes_total', ''), value]),
  ).toEqual([
    ['{client="web",mount="/download/"}', 10],
    ['{client="login",mount="/download/"}', 20],
    ['{client="other",mount="other"}', 20],
  ]);
});
