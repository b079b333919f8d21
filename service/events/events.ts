import type { Logger } from 'pino';
import type { Emit, EventStore, EventType, TakenEvent } from '../domain/event.ts';
import { createDelivery } from './delivery.ts';
import { createQueue, type DropReason } from './queue.ts';
import type { Webhook } from './send.ts';

export interface EventSettings {
  /** Empty: nothing is recorded, and the store is not opened. */
  readonly types: readonly EventType[];
  /** Absent: events are only stored. */
  readonly webhook?: Webhook;
}

export interface EventMetrics {
  attempted(isDelivered: boolean): void;
  died(): void;
  dropped(reason: DropReason, count: number): void;
  waited(seconds: number): void;
}

export interface EventOptions {
  /** The settings in force, which a reload changes. */
  readonly settings: () => EventSettings;
  readonly open: () => EventStore;
  readonly metrics: EventMetrics;
  readonly log: Logger;
}

/** Records events, and delivers them to the webhook. */
export function createEvents({ settings, open, metrics, log }: EventOptions) {
  let opened: EventStore | undefined;
  const store = () => {
    opened ??= open();
    return opened;
  };
  const unstored = perMinute((reason) =>
    log.error({ reason }, 'events cannot be stored, and wait in memory'),
  );
  const refused = perMinute((reason) =>
    log.warn({ reason }, 'the webhook did not accept an event, which is sent again later'),
  );
  const lost = (reason: DropReason) => log.error({ reason }, 'events were dropped');
  const logDropped = {
    queue_full: perMinute(lost),
    store_full: perMinute(lost),
    shutdown: lost,
  };

  const delivery = createDelivery({
    store,
    webhook: () => settings().webhook,
    onAttempt(error) {
      metrics.attempted(error === undefined);
      if (error !== undefined) refused(error.message);
    },
    onDead({ id, attempt }: TakenEvent, reason) {
      metrics.died();
      log.error({ event: id, attempts: attempt, reason }, 'an event was given up');
    },
    onOldest: (milliseconds) => metrics.waited(milliseconds / 1000),
  });
  const queue = createQueue({
    store,
    onDropped(reason, count) {
      // Without a webhook, nothing takes events out of the store.
      if (reason === 'store_full' && settings().webhook === undefined) return;
      metrics.dropped(reason, count);
      logDropped[reason](reason);
    },
    onAdded(error) {
      if (error === undefined) void delivery.take();
      else unstored(error.message);
    },
  });

  const emit: Emit = (type, data) => {
    if (settings().types.includes(type)) queue.push(type, data);
  };
  return {
    emit,
    async close(): Promise<void> {
      await queue.close();
      await delivery.close();
      opened?.close();
    },
  };
}

/** Writes at most one line a minute: each event could cause one. */
function perMinute<T>(write: (reason: T) => void): (reason: T) => void {
  let quietUntil = 0;
  return (reason) => {
    const now = performance.now();
    if (now < quietUntil) return;
    quietUntil = now + 60_000;
    write(reason);
  };
}
