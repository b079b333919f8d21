import { randomUUID } from 'node:crypto';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { type EventStore, type EventType, eventBody } from '../domain/event.ts';

/** Events that wait until the store has them, for example while Redis restarts. */
const MAX_QUEUED = 10_000;

/** Events that are added together. Redis answers nobody else meanwhile, for some tenths of a millisecond. */
const MAX_BATCH = 100;

const RETRY_MS = 500;

/** How long the end of the process waits for the store. */
const CLOSE_MS = 1000;

export type DropReason = 'queue_full' | 'store_full' | 'shutdown';

export interface QueueOptions {
  readonly store: () => EventStore;
  readonly onDropped: (reason: DropReason, count: number) => void;
  /** An attempt to add events failed; undefined: one succeeded. */
  readonly onAdded: (error?: Error) => void;
}

interface Queued {
  readonly id: string;
  readonly type: EventType;
  readonly at: number;
  readonly data: object;
}

/**
 * A bounded queue in front of the store, so that nothing waits for it: one command at a time takes what
 * has gathered. Events stay in the queue until the store has them.
 */
export function createQueue({ store, onDropped, onAdded }: QueueOptions) {
  const queue: Queued[] = [];
  let draining: Promise<void> | undefined;
  let isClosed = false;

  async function drain(): Promise<void> {
    // After the answers of this turn, and with the other events of it.
    await turn();
    while (queue.length > 0) {
      const batch = queue.slice(0, MAX_BATCH);
      try {
        const bodies = batch.map(({ id, type, at, data }) => {
          return { id, body: eventBody(type, at, data) };
        });
        const dropped = await store().add(bodies);
        queue.splice(0, batch.length);
        onAdded();
        if (dropped > 0) onDropped('store_full', dropped);
      } catch (error) {
        if (isClosed) break;
        onAdded(error as Error);
        await sleep(RETRY_MS, undefined, { ref: false });
      }
    }
    draining = undefined;
  }

  return {
    push(type: EventType, data: object): void {
      if (queue.length >= MAX_QUEUED) {
        onDropped('queue_full', 1);
        return;
      }
      queue.push({ id: `msg_${randomUUID()}`, type, at: Date.now(), data });
      draining ??= drain();
    },
    /** Adds what is left, and counts what cannot be added in time. */
    async close(): Promise<void> {
      isClosed = true;
      await Promise.race([draining, sleep(CLOSE_MS, undefined, { ref: false })]);
      if (queue.length > 0) onDropped('shutdown', queue.length);
    },
  };
}
