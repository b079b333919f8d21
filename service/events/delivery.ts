import { setTimeout as sleep } from 'node:timers/promises';
import type { EventStore, TakenEvent } from '../domain/event.ts';
import { createSend, MAX_CONCURRENT, type Send, type Webhook } from './send.ts';

/** How often to look for events that became due, or that another instance added. */
const POLL_MS = 1000;

/** How long the end of the process waits for attempts. */
const CLOSE_MS = 1000;

const FIRST_DELAY_MS = 5000;
const MAX_DELAY_MS = 3_600_000;

/** Within about a day. */
export const MAX_ATTEMPTS = 30;

/** The time until the next attempt, with jitter, so that the receiver is not asked in bursts. */
export function delayAfter(attempt: number, random = Math.random): number {
  const delay = Math.min(FIRST_DELAY_MS * 3 ** (attempt - 1), MAX_DELAY_MS);
  return Math.round(delay * (0.8 + 0.4 * random()));
}

export interface DeliveryOptions {
  readonly store: () => EventStore;
  /** Undefined: nothing is delivered. */
  readonly webhook: () => Webhook | undefined;
  /** An attempt failed; undefined: it succeeded. */
  readonly onAttempt: (error?: Error) => void;
  readonly onDead: (event: TakenEvent, reason: string) => void;
  /** How long the oldest event waits. */
  readonly onOldest: (milliseconds: number) => void;
}

/** Delivers the events of the store, a few at a time. */
export function createDelivery({ store, webhook, ...on }: DeliveryOptions) {
  const attempts = new Map<TakenEvent, Promise<void>>();
  let isTaking = false;
  let isAskedAgain = false;
  let isClosed = false;
  let sender: { readonly webhook: Webhook; readonly send: Send } | undefined;

  /** Connections are kept until a reload changes the receiver. */
  function senderOf(current: Webhook): Send {
    if (sender?.webhook !== current) sender = { webhook: current, send: createSend(current) };
    return sender.send;
  }

  async function take(): Promise<void> {
    const current = webhook();
    if (isClosed || current === undefined) return on.onOldest(0);
    isAskedAgain = isTaking;
    if (isTaking) return;
    isTaking = true;
    try {
      const { events, oldestMs } = await store().take(MAX_CONCURRENT - attempts.size);
      on.onOldest(oldestMs);
      for (const event of events) attempts.set(event, attempt(event, senderOf(current)));
    } catch {
      // The next poll tries again.
    }
    isTaking = false;
    if (isAskedAgain) void take();
  }

  async function attempt(event: TakenEvent, send: Send): Promise<void> {
    const error = await send(event).then(
      () => undefined,
      (error: Error) => error,
    );
    // If this fails, the event is delivered again, with the same ID.
    await settle(event, error).catch(() => {});
    attempts.delete(event);
    void take();
  }

  function settle(event: TakenEvent, error: Error | undefined): Promise<void> {
    on.onAttempt(error);
    if (error === undefined) return store().settle(event, { kind: 'delivered' });
    if (event.attempt < MAX_ATTEMPTS) {
      return store().settle(event, { kind: 'later', afterMs: delayAfter(event.attempt) });
    }
    const { message: reason } = error;
    on.onDead(event, reason);
    return store().settle(event, { kind: 'dead', reason });
  }

  const timer = setInterval(() => void take(), POLL_MS);
  timer.unref();

  return {
    /** To call when events were added. */
    take,
    /** Waits for the attempts in progress. Another instance makes again those that take too long. */
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
