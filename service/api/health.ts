import { Hono } from 'hono';
import { StoreUnavailable } from '../token/store.ts';
import { type AddEndpoint, createEndpoints } from './endpoint.ts';
import { type ApiDependencies, type ApiEnv, json, problem, problemOf, respond } from './http.ts';
import { ref } from './openapi.ts';

type HealthDependencies = Pick<ApiDependencies, 'store' | 'log' | 'metrics'>;

/** https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format */
const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** A listener with the endpoints for the health of the service only. They need no key. */
export function createHealth(deps: HealthDependencies): Hono<ApiEnv> {
  const api = createListener(deps);
  addHealth(createEndpoints(api, {}), deps);
  return api;
}

/** A listener that answers errors and unknown paths with problems. */
export function createListener({ log }: Pick<HealthDependencies, 'log'>): Hono<ApiEnv> {
  const api = new Hono<ApiEnv>();
  api.onError((error, c) => problemOf(error, c, log));
  api.notFound((c) => {
    const isNear = /^\/tokens?\/?$/.test(c.req.path);
    return problem(c, 'not_found', isNear ? 'The endpoint is /tokens.' : undefined);
  });
  return api;
}

/** `/livez`, `/readyz` and, if there are metrics, `/metrics`. */
export function addHealth(
  endpoint: AddEndpoint,
  { store, log, metrics }: HealthDependencies,
): void {
  endpoint('Service', '/livez', {
    get: {
      id: 'isAlive',
      summary: 'Check the process',
      description: 'Responds with 200 if the process runs. It does not check the store.',
      answer: [200, 'OK.', ref('Health')],
      handle: (c) => json(c, { status: 'ok' }),
    },
  });
  endpoint('Service', '/readyz', {
    get: {
      id: 'isReady',
      summary: 'Check the store',
      description:
        'Writes to each master of the store. Shows the masters, the replicas and warnings.',
      answer: [200, 'OK.', ref('Health')],
      codes: ['unavailable'],
      // Whether each master accepts a write, and what the operator should fix.
      async handle(c) {
        try {
          return json(c, { status: 'ok', ...(await store.check()) });
        } catch (error) {
          const { shown, health } = error instanceof StoreUnavailable ? error : {};
          return problemOf(error as Error, c, log, shown, health);
        }
      },
    },
  });
  if (metrics === undefined) return;
  endpoint('Service', '/metrics', {
    get: {
      id: 'getMetrics',
      summary: 'Show metrics',
      description: "Metrics in Prometheus' text format.",
      answer: [200, 'Text, version 0.0.4.', { type: 'string' }, 'text/plain'],
      handle: async (c) => respond(c, await metrics(), { 'Content-Type': METRICS_TYPE }),
    },
  });
}
