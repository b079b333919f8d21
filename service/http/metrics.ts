import type { Context } from 'hono';
import type { ApiDependencies } from './api-env.ts';

/** https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format */
const TEXT = 'text/plain; version=0.0.4; charset=utf-8';

/** `GET /metrics`: counts and times for Prometheus, in which no request's own words are. */
export function metricsHandler({ metrics }: ApiDependencies) {
  return async (c: Context) => c.body(await metrics(), 200, { 'Content-Type': TEXT });
}
