import { type Context, Hono } from 'hono';
import type { ApiDependencies, ApiEnv } from './http/api-env.ts';
import { problem, problemOf } from './http/api-problem.ts';
import { authenticate } from './http/authenticate.ts';
import { introspectHandler } from './http/introspect.ts';
import { issueHandler } from './http/issue.ts';
import { jwksHandler } from './http/jwks.ts';
import { limitBody } from './http/limit-body.ts';
import { listHandler } from './http/list.ts';
import { LIVE } from './http/livez.ts';
import { metricsHandler } from './http/metrics.ts';
import { openapiHandler } from './http/openapi.ts';
import { prolongHandler } from './http/prolong.ts';
import { readyzHandler } from './http/readyz.ts';
import { revokeHandler } from './http/revoke.ts';
import { revokeGrantHandler } from './http/revoke-grant.ts';
import { revokeSubjectHandler } from './http/revoke-subject.ts';
import { showHandler } from './http/show.ts';
import { wrongListenerHandler } from './http/wrong-listener.ts';

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

  api.get('/livez', (c) => c.body(LIVE, 200, { 'Content-Type': 'application/json' }));
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
