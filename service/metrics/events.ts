import type { Registry } from 'prom-client';
import { counts, gauge } from './counts.ts';

/** Counts what becomes of events, and records how long the oldest waits. */
export function eventMetrics(registry: Registry) {
  const attemptsBy = counts(
    registry,
    'postern_webhook_attempts_total',
    'Requests to the webhook, by result.',
    'result',
  );
  const delivered = attemptsBy('delivered');
  const failed = attemptsBy('failed');
  const dead = counts(
    registry,
    'postern_webhook_dead_events_total',
    'Events that were given up after the last attempt.',
  )();
  const droppedBy = counts(
    registry,
    'postern_events_dropped_total',
    'Events that were dropped, by reason.',
    'reason',
  );
  const dropped = {
    queue_full: droppedBy('queue_full'),
    store_full: droppedBy('store_full'),
    shutdown: droppedBy('shutdown'),
  };
  let waiting = 0;
  gauge(
    registry,
    'postern_webhook_oldest_event_seconds',
    'Age of the oldest event that is not delivered; 0 without one.',
    () => waiting,
  );
  return {
    attempted: (isDelivered: boolean) => (isDelivered ? delivered : failed).inc(),
    died: () => dead.inc(),
    dropped: (reason: keyof typeof dropped, count: number) => dropped[reason].inc(count),
    waited(seconds: number): void {
      waiting = seconds;
    },
  };
}
