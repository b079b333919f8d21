import type { Context } from 'hono';
import type { ApiDependencies } from './api-env.ts';

/** `GET /readyz`: the store takes a write; with what an operator should mend, if anything. */
export function readyzHandler({ store }: ApiDependencies) {
  return async (c: Context) => c.json({ status: 'ok', ...(await store.check()) });
}
