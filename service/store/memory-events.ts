import {
  CAUSES,
  type EventStore,
  LEASE_MS,
  MAX_STORED_EVENTS,
  type TakenEvent,
} from '../events/event.ts';

interface Waiting extends TakenEvent {
  readonly addedAt: number;
  readonly dueAt: number;
}

/** Events are lost when the process ends. `now` does not depend on the machine's clock, which can be set back. */
export function createMemoryEvents({ now = () => performance.now() } = {}): EventStore {
  /** The events by entry, oldest first. */
  const waiting = {
    application: new Map<string, Waiting>(),
    requesters: new Map<string, Waiting>(),
  };
  const all = CAUSES.map((cause) => waiting[cause]);
  let count = 0;

  return {
    async add(events) {
      for (const event of events) {
        count += 1;
        const entry = String(count);
        const times = { addedAt: now(), dueAt: now() };
        waiting[event.cause].set(entry, { ...event, ...times, entry, attempt: 0 });
      }
      let dropped = 0;
      for (const queue of all) {
        const excess = Math.max(0, queue.size - MAX_STORED_EVENTS);
        for (const entry of [...queue.keys()].slice(0, excess)) queue.delete(entry);
        dropped += excess;
      }
      return dropped;
    },

    async take(max) {
      const events: TakenEvent[] = [];
      let oldestMs = 0;
      for (const queue of all) {
        const [oldest] = queue.values();
        if (oldest !== undefined) oldestMs = Math.max(oldestMs, now() - oldest.addedAt);
        for (const event of queue.values()) {
          if (events.length >= max) break;
          if (event.dueAt > now()) continue;
          const taken = { ...event, attempt: event.attempt + 1, dueAt: now() + LEASE_MS };
          queue.set(event.entry, taken);
          events.push(taken);
        }
      }
      return { events, oldestMs };
    },

    async settle({ entry, cause }, outcome) {
      const event = waiting[cause].get(entry);
      if (outcome.kind !== 'later' || event === undefined) return void waiting[cause].delete(entry);
      waiting[cause].set(entry, { ...event, dueAt: now() + outcome.afterMs });
    },

    close() {},
  };
}
