import { createMiddleware } from 'hono/factory';
import { type ApiEnv, problem } from './http.ts';

/** Batches, lists and revocations of many tokens that one client may have in work. */
const MAX_OF_CLIENT = 8;

/** What the bodies of all clients may have together. In memory, a batch takes about four times its length. */
const MAX_BODIES_BYTES = 32 * 1024 * 1024;

const BUSY = `A client may have ${MAX_OF_CLIENT} batches, lists and revocations of many tokens in work.`;
const FULL = `All batches in work may have ${MAX_BODIES_BYTES} bytes.`;
const LATER = { headers: { 'Retry-After': '1' } };

/**
 * Limits the requests that can take more than a turn of the event loop. It comes before the body is read, so that a
 * request waits in its client. The limits are for each process.
 *
 * @param maxBytes the limit of the body, which one counts that does not announce its length
 */
export function createHeavy() {
  const inWork = new Map<string, number>();
  let bodies = 0;
  return (maxBytes = 0) =>
    createMiddleware<ApiEnv>(async (c, next) => {
      const { id } = c.get('client');
      const count = inWork.get(id) ?? 0;
      const bytes = Math.min(Number(c.req.header('content-length') ?? maxBytes), maxBytes);
      if (count >= MAX_OF_CLIENT) return problem(c, 'too_many_requests', BUSY, LATER);
      if (bodies + bytes > MAX_BODIES_BYTES) return problem(c, 'too_many_requests', FULL, LATER);
      inWork.set(id, count + 1);
      bodies += bytes;
      try {
        await next();
      } finally {
        bodies -= bytes;
        const left = (inWork.get(id) ?? 1) - 1;
        if (left > 0) inWork.set(id, left);
        else inWork.delete(id);
      }
    });
}
