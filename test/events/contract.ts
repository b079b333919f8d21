import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import {
  type Event,
  type EventStore,
  MAX_STORED_EVENTS,
  type TakenEvent,
} from '../../service/events/event.ts';

/** Servers that all tests of a contract share. */
export interface StartedEvents {
  /** A store of one instance. Instances with the same prefix share their events. */
  open(prefix: string): EventStore;
  stop(): Promise<void>;
}

export const event = (id: string | number, cause: Event['cause'] = 'application'): Event => ({
  id: `msg_${id}`,
  body: `{"type":"${id}"}`,
  cause,
});

const range = (count: number, cause?: Event['cause'], from = 0) =>
  Array.from({ length: count }, (_, i) => event(from + i, cause));

/** What every store of events does. */
export function eventContract(name: string, start: () => Promise<StartedEvents>) {
  describe(`events in ${name}`, () => {
    let servers: StartedEvents;
    beforeAll(async () => {
      servers = await start();
    });
    afterAll(() => servers.stop());
    let tests = 0;

    /** Two instances. In memory, both are the same. */
    async function opened() {
      tests += 1;
      const open = () => servers.open(`test${tests}:`);
      const [a, b] = [open(), open()];
      for (const store of [a, b]) {
        onTestFinished(() => store.close());
        await expect.poll(() => store.take(0).catch(() => undefined)).toBeDefined();
      }
      return { a, b };
    }

    /** Takes the next event, of those that are there. */
    async function takeOne(store: EventStore): Promise<TakenEvent> {
      const [one] = (await store.take(1)).events;
      if (one === undefined) throw new Error('there is no event');
      return one;
    }

    /** Adds more events than there is room for, and returns how many were dropped. */
    async function overfill(store: EventStore, more: number, cause?: Event['cause']) {
      let dropped = 0;
      for (let i = 0; i < MAX_STORED_EVENTS + more; i += 500) {
        dropped += await store.add(range(500, cause, i));
      }
      return dropped;
    }

    test('an event is taken once, with its ID and body, and is gone when it is delivered', async () => {
      const { a, b } = await opened();
      expect(await a.take(5)).toEqual({ events: [], oldestMs: 0 });
      expect(await a.add([event('x'), event('ü')])).toBe(0);
      const { events, oldestMs } = await b.take(1);
      expect(oldestMs).toBeGreaterThanOrEqual(0);
      expect(events).toMatchObject([{ ...event('x'), attempt: 1 }]);
      const rest = await a.take(5);
      expect(rest.events).toMatchObject([{ ...event('ü'), attempt: 1 }]);
      expect((await b.take(5)).events).toEqual([]);
      for (const one of [...events, ...rest.events]) await b.settle(one, { kind: 'delivered' });
      expect(await a.take(5)).toEqual({ events: [], oldestMs: 0 });
    });

    test('simultaneous instances take each event once', async () => {
      const { a, b } = await opened();
      await a.add(range(40));
      const taken = await Promise.all([a, b, a, b, a, b].map((store) => store.take(8)));
      const ids = taken.flatMap(({ events }) => events.map(({ id }) => id));
      expect(ids).toHaveLength(40);
      expect(new Set(ids).size).toBe(40);
    });

    test('an event that failed is due after its delay, with the number of the attempt', async () => {
      const { a, b } = await opened();
      await a.add([event('later'), event('now')]);
      const [later, now] = [await takeOne(a), await takeOne(a)];
      await a.settle(later, { kind: 'later', afterMs: 600_000 });
      await a.settle(now, { kind: 'later', afterMs: 0 });
      const again = await b.take(2);
      expect(again.events).toMatchObject([{ ...event('now'), attempt: 2 }]);
      await b.settle(again.events[0] ?? now, { kind: 'later', afterMs: 0 });
      expect((await b.take(2)).events).toMatchObject([{ ...event('now'), attempt: 3 }]);
    });

    test('an event that was given up is not taken again', async () => {
      const { a } = await opened();
      await a.add([event('x')]);
      await a.settle(await takeOne(a), { kind: 'dead', reason: 'status 500' });
      expect(await a.take(1)).toEqual({ events: [], oldestMs: 0 });
    });

    test('an event that ended elsewhere in the meantime does not come back', async () => {
      const { a, b } = await opened();
      await a.add([event('x'), event('y')]);
      const one = await takeOne(a);
      await b.settle(one, { kind: 'delivered' });
      await a.settle(one, { kind: 'later', afterMs: 0 });
      expect((await a.take(5)).events).toMatchObject([event('y')]);
      await a.settle(one, { kind: 'dead', reason: 'status 500' });
      expect((await a.take(5)).events).toEqual([]);
    });

    test('the number of events is bounded: the oldest are dropped and counted', async () => {
      const { a } = await opened();
      const dropped = await overfill(a, 1000);
      // Redis trims whole nodes of 100 entries.
      expect(dropped).toBeGreaterThan(850);
      expect(dropped).toBeLessThanOrEqual(1000);
      expect((await a.take(1)).events).toMatchObject([event(dropped)]);
    });

    test('events of requesters drop no event of the application, which is taken first', async () => {
      const { a, b } = await opened();
      await a.add([event('first'), event('revoked')]);
      const first = await takeOne(a);
      expect(await overfill(a, 1000, 'requesters')).toBeGreaterThan(850);
      const visit = { cause: 'requesters', id: expect.any(String), body: expect.any(String) };
      const taken = await b.take(2);
      expect(taken.events).toMatchObject([event('revoked'), visit]);
      for (const one of taken.events) await b.settle(one, { kind: 'later', afterMs: 600_000 });
      await a.settle(first, { kind: 'later', afterMs: 0 });
      const again = await b.take(2);
      expect(again.events).toMatchObject([
        { ...event('first'), attempt: 2 },
        { ...visit, attempt: 1 },
      ]);
      for (const one of again.events) await b.settle(one, { kind: 'delivered' });
      expect((await b.take(1)).events).toMatchObject([visit]);
    });

    test('a dropped event that was taken before is gone', async () => {
      const { a } = await opened();
      await a.add([event('first')]);
      const one = await takeOne(a);
      await overfill(a, 500);
      await a.settle(one, { kind: 'later', afterMs: 0 });
      const { events } = await a.take(2);
      expect(events.map(({ id }) => id.replace(/\d+/, '0'))).toEqual(['msg_0', 'msg_0']);
    });
  });
}
