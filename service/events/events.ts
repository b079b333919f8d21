import { randomUUID } from 'node:crypto';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import type { Logger } from 'pino';
import { type EventStore, type EventType, eventBody } from '../domain/event.ts';
import { CLOSE_MS, createDelivery, type EventMetrics, perMinute } from './delivery.ts';
import type { Webhook } from './send.ts';

/** Maximum number of events that wait for the store, for example while Redis restarts. */
const MAX_QUEUED = 10_000;

/** Maximum number of events that are added together. They block Redis for some tenths of a millisecond. */
const MAX_BATCH = 100;

const RETRY_MS = 500;

export interface EventSettings {
  /** Empty: nothing is recorded, and the store is not opened. */
  readonly types: readonly EventType[];
  /** Absent: events are only stored. */
  readonly webhook?: Webhook;
}

interface EventOptions {
  /** The settings in force, which a reload changes. */
  readonly settings: () => EventSettings;
  readonly open: () => EventStore;
  readonly metrics: EventMetrics;
  readonly log: Logger;
}

interface Queued {
  readonly id: string;
  readonly type: EventType;
  readonly at: number;
  readonly data: object;
}

/**
 * Records events, and delivers them to the webhook. Events first enter a queue of limited length, so that no
 * request waits for the store. One command at a time adds the events of the queue to the store, and only then
 * removes them from the queue.
 */
export function createEvents({ settings, open, metrics, log }: EventOptions) {
  const queue: Queued[] = [];
  let draining: Promise<void> | undefined;
  let isClosed = false;
  let opened: EventStore | undefined;
  const store = () => {
    opened ??= open();
    return opened;
  };
  const delivery = createDelivery({ store, webhook: () => settings().webhook, metrics, log });
  const logUnstored = perMinute((reason: string) =>
    log.error({ reason }, 'events cannot be stored: they wait in memory'),
  );
  const lost = (reason: string) => log.error({ reason }, 'events were dropped');
  const logDropped = {
    queue_full: perMinute(lost),
    store_full: perMinute(lost),
    shutdown: lost,
  };

  function dropped(reason: keyof EventMetrics['dropped'], count: number): void {
    metrics.dropped[reason].inc(count);
    logDropped[reason](reason);
  }

  async function drain(): Promise<void> {
    // Wait for the end of this turn, so that responses come first, and all its events are added together.
    await turn();
    while (queue.length > 0) {
      try {
        await addSome();
      } catch (error) {
        if (isClosed) break;
        logUnstored((error as Error).message);
        await sleep(RETRY_MS, undefined, { ref: false });
      }
    }
    draining = undefined;
  }

  async function addSome(): Promise<void> {
    const batch = queue.slice(0, MAX_BATCH);
    const count = await store().add(
      batch.map(({ id, type, at, data }) => ({ id, body: eventBody(type, at, data) })),
    );
    queue.splice(0, batch.length);
    void delivery.take();
    // Without a webhook, nothing takes events out of the store.
    if (count > 0 && settings().webhook !== undefined) dropped('store_full', count);
  }

  return {
    emit(type: EventType, data: object): void {
      if (!settings().types.includes(type)) return;
      if (queue.length >= MAX_QUEUED) {
        dropped('queue_full', 1);
        return;
      }
      queue.push({ id: `msg_${randomUUID()}`, type, at: Date.now(), data });
      draining ??= drain();
    },
    /** Adds what is left, and counts what cannot be added in time. */
    async close(): Promise<void> {
      isClosed = true;
      await Promise.race([draining, sleep(CLOSE_MS, undefined, { ref: false })]);
      if (queue.length > 0) dropped('shutdown', queue.length);
      await delivery.close();
      opened?.close();
    },
  };
}
