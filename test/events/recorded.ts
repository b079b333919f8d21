import { type Emit, type EventType, eventBody } from '../../service/webhooks/event.ts';
import type { Data } from './receiver.ts';

export interface Recorded {
  readonly type: EventType;
  readonly data: Data;
}

/** Keeps events as a receiver gets them. */
export function recorder() {
  const events: Recorded[] = [];
  const emit: Emit = (type, data) => {
    events.push(JSON.parse(eventBody(type, Date.now(), data)));
  };
  return { emit, events, taken: () => events.splice(0) };
}
