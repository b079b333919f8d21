import type { Context } from 'hono';
import { createQueue, inPieces, type Place } from '../token/queue.ts';
import type { Turn } from '../token/store.ts';
import type { ApiEnv } from './http.ts';

/** What all requests that wait may hold. In memory, the body of a batch takes about four times its length. */
const MAX_HELD_BYTES = 32 * 1024 * 1024;

/** What each of them counts at least, once its body is read. It also bounds their number. */
const MIN_HELD_BYTES = 64 * 1024;

type Task<T> = (place: Place) => Promise<T>;

/** Runs a request in turns with others, and shares the places by clients, then by the endpoints of a client. */
export type InTurn = <T>(c: Context<ApiEnv>, endpoint: string, task: Task<T>) => Promise<T>;

/** For all requests that could block the event loop for some milliseconds. */
export function createTurns() {
  const enqueue = createQueue(MAX_HELD_BYTES);
  const keysOf = ({ id }: ApiEnv['Variables']['client'], endpoint: string) => [
    id,
    `${id}:${endpoint}`,
  ];
  const inTurn: InTurn = (c, endpoint, task) =>
    enqueue(keysOf(c.get('client'), endpoint), task, MIN_HELD_BYTES);

  /** As `inTurn`, with the body. While it is read, it holds only the bytes that have arrived. */
  async function withBody<T>(
    c: Context<ApiEnv>,
    endpoint: string,
    task: (place: Place, body: Uint8Array) => Promise<T>,
  ): Promise<T> {
    const whole = async (place: Place) => {
      const body = await readBody(c, place);
      place.hold(MIN_HELD_BYTES);
      return task(place, body);
    };
    return enqueue(keysOf(c.get('client'), endpoint), whole, 0);
  }

  return { inTurn, withBody };
}

export type Turns = ReturnType<typeof createTurns>;

async function readBody(c: Context, place: Place): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  const reader = c.req.raw.body?.getReader();
  if (reader === undefined) return Buffer.alloc(0);
  try {
    for (;;) {
      // Otherwise, the bodies of many clients would arrive in the same turn of the event loop.
      await place.turn();
      const { done, value } = await place.wait(reader.read());
      if (done) return Buffer.concat(chunks);
      place.hold(value.byteLength);
      chunks.push(value);
    }
  } catch (error) {
    // Most clients read the response only after they have sent the body. It is discarded.
    discard(reader).catch(() => {});
    throw error;
  }
}

async function discard(reader: ReadableStreamDefaultReader): Promise<void> {
  for (let isDone = false; !isDone; ) isDone = (await reader.read()).done;
}

/** A JSON array, written in pieces. */
export async function jsonArray<T>(
  items: readonly T[],
  turn: Turn,
  bytesOf: (item: T) => number,
  toJson: (item: T) => object,
): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Buffer[] = [];
  const write = (piece: readonly T[]) => {
    const text = piece.map((item) => JSON.stringify(toJson(item))).join();
    parts.push(Buffer.from(`${parts.length === 0 ? '[' : ','}${text}`));
  };
  await inPieces(items, turn, write, bytesOf);
  return Buffer.concat([...parts, Buffer.from(parts.length === 0 ? '[]' : ']')]);
}
