import { type Env, Hono } from 'hono';
import { StoreUnavailable } from '../token/store.ts';
import { type ApiDependencies, notAllowed, problem, problemOf } from './http.ts';

type HealthDependencies = Pick<ApiDependencies, 'store' | 'log' | 'metrics'>;

/** https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format */
const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** A listener with `/livez`, `/readyz` and, if there are metrics, `/metrics`. They need no key. */
export function createHealth<E extends Env>({ store, log, metrics }: HealthDependencies): Hono<E> {
  const api = new Hono<E>();
  api.use(async (c, next) => {
    // Before the handler: on a finished response, Hono would copy the response.
    c.header('Cache-Control', 'no-store');
    await next();
  });
  api.onError((error, c) => problemOf(error, c, log));
  api.notFound((c) => problem(c, 'not_found'));

  api.get('/livez', (c) => c.json({ status: 'ok' }));
  // Whether each master accepts a write, and what the operator should fix.
  api.get('/readyz', async (c) => {
    try {
      return c.json({ status: 'ok', ...(await store.check()) });
    } catch (error) {
      const { shown, health } = error instanceof StoreUnavailable ? error : {};
      return problemOf(error as Error, c, log, shown, health);
    }
  });
  for (const path of ['/livez', '/readyz']) api.all(path, notAllowed('GET, HEAD'));
  if (metrics !== undefined) {
    api.get('/metrics', async (c) =>
      c.body(await metrics(), 200, { 'Content-Type': METRICS_TYPE }),
    );
    api.all('/metrics', notAllowed('GET, HEAD'));
  }
  return api;
}
