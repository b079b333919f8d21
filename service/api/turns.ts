import type { Context } from 'hono';
import { createQueue, type Place } from '../token/queue.ts';
import type { ApiEnv } from './http.ts';

/** What all requests that wait may hold. In memory, the body of a batch takes about four times its length. */
const MAX_HELD_BYTES = 32 * 1024 * 1024;

/** What each of them counts at least, once its body is read. It also bounds their number. */
const MIN_HELD_BYTES = 64 * 1024;

/** Runs a request in turns with others, and shares the places by clients, then by the endpoints of a client. */
export type InTurn = <T>(
  c: Context<ApiEnv>,
  endpoint: string,
  task: (place: Place) => Promise<T>,
  bytes?: number,
) => Promise<T>;

/** For all requests that could block the event loop for some milliseconds. */
export function createTurns(): InTurn {
  const enqueue = createQueue(MAX_HELD_BYTES);
  return (c, endpoint, task, bytes = MIN_HELD_BYTES) => {
    const { id } = c.get('client');
    return enqueue([id, `${id}:${endpoint}`], task, bytes);
  };
}

/** Reads the body at a place that began with 0 bytes. Until its end, it holds only the bytes that have arrived. */
export async function readBody(c: Context, place: Place): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  const reader = c.req.raw.body?.getReader();
  try {
    while (reader !== undefined) {
      // Otherwise, the bodies of many clients would arrive in the same turn of the event loop.
      await place.turn();
      const { done, value } = await place.wait(reader.read());
      if (done) break;
      place.hold(value.byteLength);
      chunks.push(value);
    }
  } catch (error) {
    // Most clients read the response only after they have sent the body. It is discarded.
    if (reader) discard(reader).catch(() => {});
    throw error;
  }
  place.hold(MIN_HELD_BYTES);
  return Buffer.concat(chunks);
}

async function discard(reader: ReadableStreamDefaultReader): Promise<void> {
  for (let isDone = false; !isDone; ) isDone = (await reader.read()).done;
}
