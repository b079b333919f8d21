import type { Context } from 'hono';
import { StoreUnavailable } from '../domain/store.ts';
import type { ApiDependencies } from './api-env.ts';
import { problemOf } from './api-problem.ts';

/** `GET /readyz`: the store takes a write, with what an operator should fix, or why it does not. */
export function readyzHandler({ store, log }: ApiDependencies) {
  return async (c: Context) => {
    try {
      return c.json({ status: 'ok', ...(await store.check()) });
    } catch (error) {
      const shown = error instanceof StoreUnavailable ? error.shown : undefined;
      return problemOf(error as Error, c, log, shown);
    }
  };
}
