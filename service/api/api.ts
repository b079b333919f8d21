import { type Context, Hono } from 'hono';
import { StoreUnavailable } from '../domain/store.ts';
import { authenticate } from './authenticate.ts';
import { limitBody } from './body.ts';
import type { ApiDependencies, ApiEnv } from './dependencies.ts';
import { introspectHandler, revokeHandler } from './oauth.ts';
import { openapiHandler } from './openapi.ts';
import { problem, problemOf } from './problem.ts';
import {
  issueHandler,
  listHandler,
  prolongHandler,
  revokeGrantHandler,
  revokeSubjectHandler,
  showHandler,
} from './tokens.ts';
import { wrongListenerHandler } from './wrong-listener.ts';

/** A thousand requests with a path of 300 bytes and the longest subject and filename take 0.9 MB. */
const MAX_BATCH_BYTES = 1024 * 1024;

/** All other bodies: a token has at most 4000 characters. */
const MAX_BODY_BYTES = 16 * 1024;

/** The listener for clients and operators. */
export function createApi(deps: ApiDependencies): Hono<ApiEnv> {
  const api = new Hono<ApiEnv>();

  api.use(async (c, next) => {
    // Before there is an answer: set on a finished one, it would be made anew.
    c.header('Cache-Control', 'no-store');
    await next();
  });
  api.onError((error, c) => problemOf(error, c, deps.log));
  api.notFound((c) => problem(c, 'not_found'));

  api.get('/livez', (c) => c.json({ status: 'ok' }));
  api.get('/readyz', readyzHandler(deps));
  api.get('/metrics', metricsHandler(deps));
  api.get('/.well-known/jwks.json', jwksHandler(deps));
  api.get('/openapi.json', openapiHandler(deps));

  api.all('/livez', notAllowed('GET, HEAD'));
  api.all('/readyz', notAllowed('GET, HEAD'));
  api.all('/metrics', notAllowed('GET, HEAD'));
  api.all('/.well-known/jwks.json', notAllowed('GET, HEAD'));
  api.all('/openapi.json', notAllowed('GET, HEAD'));

  const wrongListener = wrongListenerHandler(deps);
  api.all('/auth-request', wrongListener);
  api.all('/x-accel', wrongListener);

  api.use(authenticate(deps));
  api.post('/tokens', limitBody(MAX_BATCH_BYTES), issueHandler(deps));
  api.use(limitBody(MAX_BODY_BYTES));
  api.get('/tokens', listHandler(deps));
  api.delete('/tokens', revokeSubjectHandler(deps));
  api.all('/tokens', notAllowed('GET, POST, DELETE'));
  api.get('/tokens/:id', showHandler(deps));
  api.patch('/tokens/:id', prolongHandler(deps));
  api.delete('/tokens/:id', revokeGrantHandler(deps));
  api.all('/tokens/:id', notAllowed('GET, PATCH, DELETE'));
  api.post('/introspect', introspectHandler(deps));
  api.all('/introspect', notAllowed('POST'));
  api.post('/revoke', revokeHandler(deps));
  api.all('/revoke', notAllowed('POST'));
  return api;
}

function notAllowed(allow: string) {
  return (c: Context) => {
    c.header('Allow', allow);
    return problem(c, 'method_not_allowed', `Use ${allow}.`);
  };
}

/** `GET /.well-known/jwks.json` (RFC 7517): the public keys that verify our JWTs. */
export function jwksHandler({ publicJwks }: ApiDependencies) {
  return (c: Context) =>
    c.body(JSON.stringify(publicJwks()), 200, { 'Content-Type': 'application/jwk-set+json' });
}

/** https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format */
const TEXT = 'text/plain; version=0.0.4; charset=utf-8';

/** `GET /metrics`: counts and times for Prometheus, in which no request's own words are. */
export function metricsHandler({ metrics }: ApiDependencies) {
  return async (c: Context) => c.body(await metrics(), 200, { 'Content-Type': TEXT });
}

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
