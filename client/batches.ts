import { PosternError } from './errors.ts';
import type { IssuedToken } from './types.ts';

/** The limits of one `POST /tokens/batch`. */
const MAX_REQUESTS = 100;
const MAX_BATCH_BYTES = 128 * 1024;

/** Divides requests, as JSON. An empty list is one batch, which the API rejects. */
export function batchesOf(requests: readonly string[]): string[][] {
  const encoder = new TextEncoder();
  let batch: string[] = [];
  let left = MAX_BATCH_BYTES;
  const batches = [batch];
  for (const request of requests) {
    const bytes = encoder.encode(request).length + 2;
    if (batch.length === MAX_REQUESTS || (batch.length > 0 && bytes > left)) {
      batch = [];
      batches.push(batch);
      left = MAX_BATCH_BYTES;
    }
    batch.push(request);
    left -= bytes;
  }
  return batches;
}

interface Call {
  readonly request: string;
  resolve(token: IssuedToken): void;
  reject(reason: unknown): void;
}

/** Sends the requests of one turn of the event loop together. Each call has its own token or error. */
export function createBatched(
  issueOne: (request: string) => Promise<IssuedToken>,
  issueBatch: (requests: readonly string[]) => Promise<IssuedToken[]>,
): (request: string) => Promise<IssuedToken> {
  let waiting: Call[] = [];

  async function settle(calls: readonly Call[]): Promise<void> {
    const [first, second] = calls;
    if (!first) return;
    if (!second) return void issueOne(first.request).then(first.resolve, first.reject);
    try {
      const issued = await issueBatch(calls.map(({ request }) => request));
      for (const [i, { resolve }] of calls.entries()) resolve(issued[i] as IssuedToken);
    } catch (error) {
      const named = indicesOf(error);
      const wrong = calls.filter((_, i) => named.has(i));
      if (wrong.length === 0) return calls.forEach(({ reject }) => void reject(error));
      // A failed batch returns no token. A wrong request must not prevent the others, and gets its own error.
      settle(calls.filter((_, i) => !named.has(i)));
      for (const one of wrong) settle([one]);
    }
  }

  function sendAll(): void {
    const calls = waiting;
    waiting = [];
    for (const { length } of batchesOf(calls.map(({ request }) => request)))
      settle(calls.splice(0, length));
  }

  return function issue(request) {
    if (waiting.length === 0) setTimeout(sendAll);
    return new Promise((resolve, reject) => void waiting.push({ request, resolve, reject }));
  };
}

/** Which requests of a batch the API names as wrong. */
function indicesOf(error: unknown): Set<number> {
  const errors = error instanceof PosternError ? error.errors : [];
  return new Set(errors.map(({ pointer }) => Number(/^\/(\d+)/.exec(pointer)?.[1])));
}
