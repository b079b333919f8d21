import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { coalesce, perMinute } from '../coalesce.ts';
import type { EventStore, Outcome, TakenEvent } from './event.ts';
import { createWebhookSend, MAX_CONCURRENT, type Send, type Webhook } from './send.ts';

/** How often to look for events that are due, or that another instance added. */
const POLL_MS = 1000;

/** How long the end of the process waits for the store, and then for attempts. */
export const CLOSE_MS = 1000;

const FIRST_DELAY_MS = 5000;
const MAX_DELAY_MS = 3_600_000;

/** Within about a day. */
export const MAX_ATTEMPTS = 30;

/** The time until the next attempt, with jitter, so that attempts do not reach the receiver in bursts. */
export function delayAfter(attempt: number, random = Math.random): number {
  const delay = Math.min(FIRST_DELAY_MS * 3 ** (attempt - 1), MAX_DELAY_MS);
  return Math.round(delay * (0.8 + 0.4 * random()));
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

interface DeliveryOptions {
  readonly store: () => EventStore;
  /** Undefined: nothing is delivered. */
  readonly webhook: () => Webhook | undefined;
  readonly metrics: EventMetrics;
  readonly log: Logger;
}

/** Delivers the events of the store, a few at a time. */
export function createDelivery({ store, webhook, metrics, log }: DeliveryOptions) {
  const attempts = new Map<TakenEvent, Promise<void>>();
  let isClosed = false;
  let sender: { readonly webhook: Webhook; readonly send: Send } | undefined;
  const logRefused = perMinute((reason) =>
    log.warn({ reason }, 'the webhook did not accept an event: Postern sends it again later'),
  );

  /** Connections are kept until a reload changes the receiver. */
  function senderOf(current: Webhook): Send {
    if (sender?.webhook !== current)
      sender = { webhook: current, send: createWebhookSend(current) };
    return sender.send;
  }

  const take = coalesce(async () => {
    const current = webhook();
    if (isClosed || current === undefined) {
      metrics.oldestMs = 0;
      return;
    }
    try {
      const { events, oldestMs } = await store().take(MAX_CONCURRENT - attempts.size);
      metrics.oldestMs = oldestMs;
      for (const event of events) attempts.set(event, attempt(event, senderOf(current)));
    } catch {
      // The next poll tries again.
    }
  });

  async function attempt(event: TakenEvent, send: Send): Promise<void> {
    const outcome = await send(event).then(delivered, (error) => failed(event, error));
    // If this fails, the event is delivered again, with the same ID.
    await store()
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
      const release = (event: TakenEvent) => store().settle(event, { kind: 'later', afterMs: 0 });
      await Promise.all(left.map(release)).catch(() => {});
    },
  };
}
