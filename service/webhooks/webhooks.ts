import { randomUUID } from 'node:crypto';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import type { Logger } from 'pino';
import { coalesce } from '../coalesce.ts';
import { perMinute, perSecond } from '../rate-limit.ts';
import {
  type Cause,
  causeOf,
  type Emit,
  type EventStore,
  type EventType,
  eventBody,
  MAX_PER_SECOND,
  type Outcome,
  type TakenEvent,
} from './event.ts';
import { createWebhookSend, MAX_CONCURRENT, type Send, type Webhook } from './send.ts';

/** Maximum number of events of each cause that wait for the store, for example while Redis restarts. */
const MAX_UNSTORED = 10_000;

/** Maximum number of events that are added together. They block Redis for some tenths of a millisecond. */
const MAX_BATCH = 100;

const STORE_RETRY_MS = 500;

/** How often to look for events that are due, or that another instance added. */
const POLL_MS = 1000;

/** How long the end of the process waits for the store, and then for attempts. */
const CLOSE_MS = 1000;

/** Commands that were sent end on the old connection. */
const RETIRED_MS = 10_000;

const FIRST_DELAY_MS = 5000;
const MAX_DELAY_MS = 3_600_000;

/** The number of attempts, which take about a day. */
export const MAX_ATTEMPTS = 30;

export interface EventSettings {
  /** Empty: nothing is recorded, and the store is not opened. */
  readonly types: readonly EventType[];
  /** Absent: events are only stored. */
  readonly webhook?: Webhook;
}

interface Counter {
  inc(by?: number): void;
}

export interface EventMetrics {
  readonly attempts: Readonly<Record<'delivered' | 'failed', Counter>>;
  readonly dead: Counter;
  readonly dropped: Readonly<
    Record<'queue_full' | 'store_full' | 'too_many' | 'shutdown', Counter>
  >;
  oldestMs: number;
}

interface EventOptions {
  /** The settings in force, which a reload changes. */
  readonly settings: () => EventSettings;
  readonly open: () => EventStore;
  readonly metrics: EventMetrics;
  readonly log: Logger;
  /** A clock in milliseconds, from any start. */
  readonly now?: () => number;
}

interface Queued {
  readonly id: string;
  readonly type: EventType;
  readonly at: number;
  readonly data: object;
}

/**
 * Records events, and delivers them to the webhook. Events first enter queues of limited length, so that no
 * request waits for the store. One command at a time adds events of the queues to the store, and only then
 * removes them from the queues.
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
  const delivery = createDelivery({ ...options, open: store });
  const logUnstored = perMinute((reason: string) =>
    log.error({ reason }, 'events cannot be stored: they wait in memory'),
  );
  const lost = (reason: string) => log.error({ reason }, 'events were dropped');
  const logDropped = {
    queue_full: perMinute(lost),
    store_full: perMinute(lost),
    too_many: perMinute((reason) => log.warn({ reason }, 'events were left out')),
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
    void delivery.take();
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
    /** Ends deliveries. The store still gets events, for another process. */
    stopSending: delivery.close,
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

/** Delivers the events of the store, a few at a time. */
function createDelivery({ settings, open, metrics, log }: EventOptions) {
  const attempts = new Map<TakenEvent, Promise<void>>();
  let isClosed = false;
  let sender: { readonly webhook: Webhook; readonly send: Send } | undefined;
  const logRefused = perMinute((reason) =>
    log.warn({ reason }, 'the webhook did not accept an event: Postern sends it again later'),
  );

  const take = coalesce(async () => {
    const { webhook } = settings();
    if (isClosed || webhook === undefined) {
      metrics.oldestMs = 0;
      return;
    }
    try {
      // Connections are kept until a reload changes the receiver.
      if (sender?.webhook !== webhook) sender = { webhook, send: createWebhookSend(webhook) };
      const { send } = sender;
      const { events, oldestMs } = await open().take(MAX_CONCURRENT - attempts.size);
      metrics.oldestMs = oldestMs;
      for (const event of events) attempts.set(event, attempt(event, send));
    } catch {
      // The next poll tries again.
    }
  });

  async function attempt(event: TakenEvent, send: Send): Promise<void> {
    const outcome = await send(event).then(delivered, (error) => failed(event, error));
    // If this fails, the event is delivered again, with the same ID.
    await open()
      .settle(event, outcome)
      .catch(() => {});
    attempts.delete(event);
    void take();
  }

  function delivered(): Outcome {
    metrics.attempts.delivered.inc();
    return { kind: 'delivered' };
  }

  function failed({ id, attempt }: TakenEvent, { message: reason }: Error): Outcome {
    metrics.attempts.failed.inc();
    logRefused(reason);
    if (attempt < MAX_ATTEMPTS) return { kind: 'later', afterMs: delayAfter(attempt) };
    metrics.dead.inc();
    log.error({ event: id, attempts: attempt, reason }, 'an event was given up');
    return { kind: 'dead', reason };
  }

  const timer = setInterval(() => void take(), POLL_MS);
  timer.unref();

  return {
    /** Call this when events were added. Never rejects. */
    take,
    /** Waits for the attempts in progress. Another instance repeats those that take too long. */
    async close(): Promise<void> {
      isClosed = true;
      clearInterval(timer);
      const ended = Promise.all(attempts.values());
      await Promise.race([ended, sleep(CLOSE_MS, undefined, { ref: false })]);
      const left = [...attempts.keys()];
      const release = (event: TakenEvent) => open().settle(event, { kind: 'later', afterMs: 0 });
      await Promise.all(left.map(release)).catch(() => {});
    },
  };
}

/** The time until the next attempt, with jitter, so that attempts do not reach the receiver in bursts. */
export function delayAfter(attempt: number, random = Math.random): number {
  const delay = Math.min(FIRST_DELAY_MS * 3 ** (attempt - 1), MAX_DELAY_MS);
  return Math.round(delay * (0.8 + 0.4 * random()));
}
