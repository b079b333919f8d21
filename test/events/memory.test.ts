import { expect, test } from 'vitest';
import { createMemoryEvents } from '../../service/store/memory-events.ts';
import { type EventStore, LEASE_MS } from '../../service/webhooks/event.ts';
import { event, eventContract } from './contract.ts';

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
