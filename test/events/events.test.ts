import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import {
  EVENT_TYPES,
  type Event,
  type EventSettings,
  type EventStore,
  LEASE_MS,
  type Outcome,
  type TakenEvent,
} from '../../service/events/event.ts';
import { createEvents } from '../../service/events/queue.ts';
import { delayAfter, MAX_ATTEMPTS } from '../../service/events/webhook.ts';
import { createMetrics } from '../../service/metrics/metrics.ts';
import { createMemoryEvents } from '../../service/store/memory-events.ts';
import { SECRET } from '../support/receiver.ts';
import { samplesOf } from '../support/samples.ts';
import { event, eventContract } from './contract.ts';

const webhookAt = (url: string) => ({
  url,
  secrets: [Buffer.from(SECRET.slice('whsec_'.length), 'base64')],
  allow: ['127.0.0.1'],
});

function started(
  store: EventStore,
  settings: EventSettings = { types: EVENT_TYPES },
  now?: () => number,
) {
  const metrics = createMetrics({ version: '0', node: '0' });
  const lines: string[] = [];
  const log = pino({}, { write: (line: string) => void lines.push(line) });
  const current = { settings };
  const events = createEvents({
    settings: () => current.settings,
    open: () => store,
    metrics: metrics.events,
    log,
    ...(now && { now }),
  });
  onTestFinished(events.close);
  return {
    ...events,
    current,
    lines,
    metric: async (name: string) => samplesOf(await metrics.text()).get(name),
  };
}

const bodies = (added: readonly Event[][]) => added.flat().map(({ body }) => JSON.parse(body));

/** A store that adds nothing until it is released. */
function heldStore() {
  const added: Event[][] = [];
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const add = async (events: readonly Event[]) => {
    added.push([...events]);
    await held;
    return 0;
  };
  return { store: { ...createMemoryEvents(), add }, added, release };
}

test('events: those of one turn are added together, after it', async () => {
  const { store, added, release } = heldStore();
  release();
  const { emit } = started(store);
  for (let i = 0; i < 30; i += 1) emit('token.issued', { i });
  expect(added).toEqual([]);
  await expect.poll(() => added.map(({ length }) => length)).toEqual([30]);
});

test('events: a store that does not answer delays no request, and dropped events are counted', async () => {
  const { store, added, release } = heldStore();
  const { emit, metric, lines } = started(store);
  emit('token.issued', { i: 0 });
  await expect.poll(() => added.length).toBe(1);
  for (let i = 1; i < 12_000; i += 1) emit('token.issued', { i });
  expect(added.length).toBe(1);
  expect(await metric('postern_events_dropped_total{reason="queue_full"}')).toBe(2000);
  expect(lines.filter((line) => line.includes('events were dropped'))).toHaveLength(1);
  release();
  await expect.poll(() => added.flat().length).toBe(10_000);
  const ids = bodies(added).map(({ data }) => data.i);
  expect(ids).toEqual(Array.from({ length: 10_000 }, (_, i) => i));
});

test('events: in memory, events of requesters leave the places of the application, which comes first', async () => {
  const { store, added, release } = heldStore();
  const { emit, metric } = started(store);
  emit('token.refused', { i: 0 });
  await expect.poll(() => added.length).toBe(1);
  for (let i = 1; i < 10_500; i += 1) emit('token.redeemed', { i });
  emit('token.delivered', {});
  for (let i = 0; i < 150; i += 1) emit('token.revoked', { i });
  expect(await metric('postern_events_dropped_total{reason="queue_full"}')).toBe(501);
  release();
  await expect.poll(() => added.flat().length).toBe(10_150);
  const types = bodies(added).map(({ type }) => type);
  expect(types.slice(0, 151)).toEqual(['token.refused', ...Array(150).fill('token.revoked')]);
  expect(added.flat().map(({ cause }) => cause)).toEqual(
    types.map((type) => (type === 'token.revoked' ? 'application' : 'requesters')),
  );
});

test('events: at most ten a second with the same limit, and the next has the number of the others', async () => {
  let now = 1000;
  const { store, added, release } = heldStore();
  release();
  const { emit, metric, lines } = started(store, { types: EVENT_TYPES }, () => now);
  const seen = async (count: number) => {
    await expect.poll(() => added.flat().length).toBe(count);
    return bodies(added.splice(0)).map(({ data }) => data);
  };
  for (let i = 0; i < 1000; i += 1) emit('token.refused', { i }, 'refused');
  for (let i = 0; i < 20; i += 1) emit('token.redeemed', { id: 'a' }, 'a');
  emit('token.redeemed', { id: 'b' }, 'b');
  for (let i = 0; i < 20; i += 1) emit('token.redeemed', { id: 'c' });
  const first = await seen(41);
  expect(first.slice(0, 10)).toEqual(Array.from({ length: 10 }, (_, i) => ({ i })));
  expect(first.slice(10, 22)).toEqual([
    ...Array(10).fill({ id: 'a' }),
    { id: 'b', skipped: 10 },
    { id: 'c' },
  ]);
  now += 1000;
  emit('token.refused', {}, 'refused');
  emit('token.refused', {}, 'refused');
  expect(await seen(2)).toEqual([{ skipped: 990 }, {}]);
  expect(await metric('postern_events_dropped_total{reason="too_many"}')).toBe(1000);
  expect(lines.filter((line) => line.includes('"reason":"too_many"'))).toHaveLength(1);
});

test('events: what could not be added is added again, with the same ID and body', async () => {
  const memory = createMemoryEvents();
  const seen: Event[][] = [];
  const add = async (events: readonly Event[]) => {
    seen.push([...events]);
    if (seen.length < 3) throw new Error('Redis does not answer');
    return memory.add(events);
  };
  const { emit, lines } = started({ ...memory, add });
  emit('token.issued', { i: 1 });
  await expect.poll(() => seen.length).toBe(3);
  expect(seen[1]).toEqual(seen[0]);
  expect(seen[2]).toEqual(seen[0]);
  expect((await memory.take(5)).events).toHaveLength(1);
  expect(lines.filter((line) => line.includes('Redis does not answer'))).toHaveLength(1);
});

test('events: what is not added before the end of the process is counted and logged', async () => {
  const add = () => Promise.reject(new Error('Redis does not answer'));
  const { emit, close, metric, lines } = started({ ...createMemoryEvents(), add });
  for (let i = 0; i < 7; i += 1) emit('token.issued', { i });
  await close();
  expect(await metric('postern_events_dropped_total{reason="shutdown"}')).toBe(7);
  expect(lines.join()).toContain('"reason":"shutdown"');
});

test('events: the end of the process waits for what is being added', async () => {
  const memory = createMemoryEvents();
  const { emit, close, metric } = started({ ...memory, close() {} });
  for (let i = 0; i < 1200; i += 1) emit('token.issued', { i });
  await close();
  expect((await memory.take(2000)).events).toHaveLength(1200);
  expect(await metric('postern_events_dropped_total{reason="shutdown"}')).toBe(0);
});

test('events: only the types of the settings are recorded, and a reload changes them', async () => {
  const { store, added, release } = heldStore();
  release();
  const { emit, current } = started(store, { types: ['token.revoked'] });
  emit('token.issued', {});
  emit('token.revoked', {});
  current.settings = { types: ['token.issued'] };
  emit('token.issued', {});
  emit('token.revoked', {});
  await expect.poll(() => added.flat()).toHaveLength(2);
  expect(bodies(added)).toMatchObject([{ type: 'token.revoked' }, { type: 'token.issued' }]);
});

test('events: without a webhook, old events make room without being counted as dropped', async () => {
  let calls = 0;
  const add = async () => {
    calls += 1;
    return 5;
  };
  const { emit, current, metric } = started({ ...createMemoryEvents(), add });
  emit('token.issued', {});
  await expect.poll(() => calls).toBe(1);
  const name = 'postern_events_dropped_total{reason="store_full"}';
  expect(await metric(name)).toBe(0);
  current.settings = { types: EVENT_TYPES, webhook: webhookAt('http://127.0.0.1:1/') };
  emit('token.issued', {});
  await expect.poll(() => metric(name)).toBe(5);
});

test('events: the last attempt ends in the store of dead events', async () => {
  const outcomes: Outcome[] = [];
  let events: TakenEvent[] = [28, 29, 30].map((attempt) => {
    return { id: `msg_${attempt}`, body: '{}', cause: 'application', entry: '1', attempt };
  });
  const store: EventStore = {
    add: async () => 0,
    async take() {
      const taken = events;
      events = [];
      return { events: taken, oldestMs: 60_000 };
    },
    settle: async (_, outcome) => void outcomes.push(outcome),
    close() {},
  };
  const webhook = webhookAt('http://127.0.0.1:1/');
  const { metric, lines } = started(store, { types: EVENT_TYPES, webhook });
  await expect.poll(() => outcomes.length).toBe(3);
  expect(outcomes).toEqual([
    { kind: 'later', afterMs: expect.any(Number) },
    { kind: 'later', afterMs: expect.any(Number) },
    { kind: 'dead', reason: expect.stringContaining('ECONNREFUSED') },
  ]);
  expect(await metric('postern_webhook_dead_events_total')).toBe(1);
  expect(await metric('postern_webhook_attempts_total{result="failed"}')).toBe(3);
  expect(await metric('postern_webhook_oldest_event_seconds')).toBe(60);
  expect(lines.filter((line) => line.includes('msg_30'))).toHaveLength(1);
  expect(lines.filter((line) => line.includes('did not accept an event'))).toHaveLength(1);
});

test('events: the delays grow to an hour, with jitter, and end after about a day', () => {
  const lowest = (attempt: number) => delayAfter(attempt, () => 0);
  const highest = (attempt: number) => delayAfter(attempt, () => 1);
  expect([lowest(1), highest(1)]).toEqual([4000, 6000]);
  expect([lowest(2), highest(2)]).toEqual([12_000, 18_000]);
  expect(highest(MAX_ATTEMPTS)).toBe(4_320_000);
  const attempts = Array.from({ length: MAX_ATTEMPTS - 1 }, (_, i) => i + 1);
  const days = attempts.reduce((sum, one) => sum + delayAfter(one, () => 0.5), 0) / 86_400_000;
  expect(days).toBeGreaterThan(0.9);
  expect(days).toBeLessThan(1.1);
});

eventContract('memory', async () => {
  const stores = new Map<string, EventStore>();
  return {
    open(prefix) {
      const store = stores.get(prefix) ?? createMemoryEvents();
      stores.set(prefix, store);
      return store;
    },
    stop: async () => {},
  };
});

test('events in memory: an event whose lease has ended is taken again', async () => {
  let now = 1000;
  const store = createMemoryEvents({ now: () => now });
  await store.add([event('x')]);
  expect((await store.take(1)).events).toHaveLength(1);
  now += LEASE_MS - 1;
  expect(await store.take(1)).toEqual({ events: [], oldestMs: LEASE_MS - 1 });
  now += 1;
  expect((await store.take(1)).events).toMatchObject([{ ...event('x'), attempt: 2 }]);
});
