import { type EventStore, LEASE_MS, MAX_EVENTS, type TakenEvent } from '../domain/event.ts';

interface Waiting extends TakenEvent {
  readonly addedAt: number;
  readonly dueAt: number;
}

/** Events in the memory of this process: lost when it ends. */
export function createMemoryEvents({ now = Date.now }: { now?: () => number } = {}): EventStore {
  /** By entry, oldest first. */
  const waiting = new Map<string, Waiting>();
  let count = 0;

  return {
    async add(events) {
      for (const event of events) {
        count += 1;
        const entry = String(count);
        waiting.set(entry, { ...event, entry, attempt: 0, addedAt: now(), dueAt: now() });
      }
      const dropped = Math.max(0, waiting.size - MAX_EVENTS);
      for (const entry of [...waiting.keys()].slice(0, dropped)) waiting.delete(entry);
      return dropped;
    },

    async take(max) {
      const events: TakenEvent[] = [];
      for (const event of waiting.values()) {
        if (events.length >= max) break;
        if (event.dueAt > now()) continue;
        const taken = { ...event, attempt: event.attempt + 1, dueAt: now() + LEASE_MS };
        waiting.set(event.entry, taken);
        events.push(taken);
      }
      const [oldest] = waiting.values();
      return { events, oldestMs: oldest === undefined ? 0 : now() - oldest.addedAt };
    },

    async settle({ entry }, outcome) {
      const event = waiting.get(entry);
      if (outcome.kind !== 'later' || event === undefined) return void waiting.delete(entry);
      waiting.set(entry, { ...event, dueAt: now() + outcome.afterMs });
    },

    close: () => waiting.clear(),
  };
}
