import type { Context, Hono } from 'hono';
import { createMiddleware } from 'hono/factory';
import { requestId } from 'hono/request-id';
import { perMinute } from '../coalesce.ts';
import { findClient } from '../token/client.ts';
import { createAudit } from './audit.ts';
import { createHealth } from './health.ts';
import {
  type ApiDependencies,
  type ApiEnv,
  JSON_TYPE,
  limitBody,
  notAllowed,
  problem,
} from './http.ts';
import { addBatchRoute, addIssueRoute } from './issue.ts';
import { openapi } from './openapi.ts';
import { addOAuthRoutes, addTokenRoutes } from './tokens.ts';
import { createTurns } from './turns.ts';

/** For all bodies except a batch. A request with every field at its maximum length fits. */
const MAX_BODY_BYTES = 32 * 1024;

/** The listener for clients and operators. */
export function createApi(deps: ApiDependencies): Hono<ApiEnv> {
  const { publicJwks, version } = deps;
  const api = createHealth<ApiEnv>(deps);

  // The public keys for Postern's own JWTs (RFC 7517).
  api.get('/.well-known/jwks.json', (c) =>
    c.body(JSON.stringify(publicJwks()), 200, { 'Content-Type': 'application/jwk-set+json' }),
  );
  let document: string | undefined;
  api.get('/openapi.json', (c) => {
    document ??= JSON.stringify(openapi(version, deps.metrics !== undefined));
    return c.body(document, 200, { 'Content-Type': JSON_TYPE });
  });
  for (const path of ['/.well-known/jwks.json', '/openapi.json']) {
    api.all(path, notAllowed('GET, HEAD'));
  }

  const wrongListener = wrongListenerHandler(deps);
  api.all('/auth-request', wrongListener);
  api.all('/x-accel', wrongListener);

  api.use(requestId(), createAudit(deps), authenticate(deps));
  const turns = createTurns();
  addBatchRoute(api, deps, turns);
  addIssueRoute(api, deps, MAX_BODY_BYTES);
  api.use(limitBody(MAX_BODY_BYTES));
  addTokenRoutes(api, deps, turns);
  addOAuthRoutes(api, deps, turns);
  return api;
}

/** Authenticates a client by its API key or JWT (RFC 6750, section 2.1). */
function authenticate({ apiKeys, clientOf }: ApiDependencies) {
  return createMiddleware<ApiEnv>(async (c, next) => {
    const secret = /^bearer +(\S+)$/i.exec(c.req.header('authorization') ?? '')?.[1];
    const client =
      secret === undefined ? undefined : (findClient(apiKeys, secret) ?? (await clientOf(secret)));
    if (client === undefined) {
      c.header('WWW-Authenticate', 'Bearer realm="postern-api"');
      const detail = 'Send an API key, or a JWT of a trusted issuer, as Authorization: Bearer.';
      return problem(c, 'invalid_client', detail);
    }
    c.set('client', client);
    return next();
  });
}

const ADVICE = "nginx's upstream must name the address of POSTERN_LISTEN, not POSTERN_API_LISTEN";

/**
 * The gate's routes on the API's listener: nginx uses the wrong address. They need no key, because nginx would
 * pass a 401 on to the client as a denial of its token.
 */
function wrongListenerHandler({ log }: ApiDependencies) {
  // nginx sends such a request for each download.
  const warn = perMinute((path) =>
    log.warn({ path }, `nginx asks the API instead of the gate: ${ADVICE}`),
  );
  return (c: Context): Response => {
    warn(c.req.path);
    return problem(c, 'not_found', 'This is the API, not the gate.');
  };
}
