import { randomUUID } from 'node:crypto';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { coalesce } from '../coalesce.ts';
import { perMinute, perSecond } from '../rate-limit.ts';
import {
  type Cause,
  causeOf,
  type Emit,
  type EventMetrics,
  type EventOptions,
  type EventStore,
  type EventType,
  eventBody,
  MAX_PER_SECOND,
} from './event.ts';
import { CLOSE_MS, createSender } from './webhook.ts';

/** Maximum number of events of each cause that wait for the store, for example while Redis restarts. */
const MAX_UNSTORED = 10_000;

/** Maximum number of events that are added together. They block Redis for some tenths of a millisecond. */
const MAX_BATCH = 100;

const STORE_RETRY_MS = 500;

/** Commands that were sent end on the old connection. */
const RETIRED_MS = 10_000;

interface Queued {
  readonly id: string;
  readonly type: EventType;
  readonly at: number;
  readonly data: object;
}

/**
 * Records events, and delivers them to the webhook. They first enter queues of limited length, so that no request waits
 * for the store. One command at a time adds events to the store, and only then removes them from the queues.
 */
export function createEvents(options: EventOptions) {
  const { settings, open, metrics, log, now } = options;
  const queues: Record<Cause, Queued[]> = { application: [], requesters: [] };
  const queued = () => queues.application.length + queues.requesters.length;
  const isAllowed = perSecond(MAX_PER_SECOND, now);
  /** How many events of a type were left out since the last one. */
  const skipped = new Map<EventType, number>();
  let isClosed = false;
  let opened: EventStore | undefined;
  const store = () => {
    opened ??= open();
    return opened;
  };
  const sender = createSender({ ...options, open: store });
  const logUnstored = perMinute((reason: string) =>
    log.error({ reason }, 'events cannot be stored: they wait in memory'),
  );
  const lost = (reason: string) => log.error({ reason }, 'events were dropped');
  const logDropped = {
    queue_full: perMinute(lost),
    store_full: perMinute(lost),
    too_many: perMinute((reason) => log.warn({ reason }, 'too many events: some were dropped')),
    shutdown: lost,
  };

  function dropped(reason: keyof EventMetrics['dropped'], count: number): void {
    metrics.dropped[reason].inc(count);
    logDropped[reason](reason);
  }

  // It waits for the end of a turn, so that responses come first, and all its events are added together.
  const drain = coalesce(async () => {
    while (queued() > 0) {
      try {
        await addSome();
      } catch (error) {
        if (isClosed) break;
        logUnstored((error as Error).message);
        await sleep(STORE_RETRY_MS, undefined, { ref: false });
      }
    }
  }, turn);

  async function addSome(): Promise<void> {
    const own = queues.application.slice(0, MAX_BATCH);
    const others = queues.requesters.slice(0, MAX_BATCH - own.length);
    const count = await store().add(
      [...own, ...others].map(({ id, type, at, data }) => {
        return { id, body: eventBody(type, at, data), cause: causeOf(type) };
      }),
    );
    queues.application.splice(0, own.length);
    queues.requesters.splice(0, others.length);
    void sender.take();
    // If there is no webhook, nothing takes events out of the store.
    if (count > 0 && settings().webhook !== undefined) dropped('store_full', count);
  }

  const emit: Emit = (type, event, limit) => {
    if (!settings().types.includes(type)) return;
    const before = (limit !== undefined && skipped.get(type)) || 0;
    if (limit !== undefined && !isAllowed(limit)) {
      skipped.set(type, before + 1);
      return dropped('too_many', 1);
    }
    if (before > 0) skipped.delete(type);
    const data = before > 0 ? { ...event, skipped: before } : event;
    const queue = queues[causeOf(type)];
    if (queue.length >= MAX_UNSTORED) return dropped('queue_full', 1);
    queue.push({ id: `msg_${randomUUID()}`, type, at: Date.now(), data });
    void drain();
  };

  return {
    emit,
    /** Sends no more events. The store still gets them, for another process. */
    stopSending: sender.close,
    /** Opens the store again at its next use. */
    renew(): void {
      const old = opened;
      opened = undefined;
      setTimeout(() => old?.close(), RETIRED_MS).unref();
    },
    /** Call this after `stopSending`. Adds what is left, and counts what cannot be added in time. */
    async close(): Promise<void> {
      isClosed = true;
      await Promise.race([drain(), sleep(CLOSE_MS, undefined, { ref: false })]);
      if (queued() > 0) dropped('shutdown', queued());
      opened?.close();
    },
  };
}
