import { randomUUID } from 'node:crypto';
import type { Context, Hono } from 'hono';
import { createMiddleware } from 'hono/factory';
import { perMinute } from '../coalesce.ts';
import { createAudit } from './audit.ts';
import { authenticate, authenticateOAuth } from './authenticate.ts';
import { createEndpoints } from './endpoint.ts';
import { addHealth, createListener } from './health.ts';
import { type ApiDependencies, type ApiEnv, JSON_TYPE, json, problem, respond } from './http.ts';
import { addOAuth, metadata } from './oauth.ts';
import { openapi } from './openapi.ts';
import { addTokens } from './tokens.ts';
import { createTurns } from './turns.ts';

/** The listener for clients and operators. */
export function createApi(deps: ApiDependencies): Hono<ApiEnv> {
  const api = createListener(deps);
  const paths = { open: {}, withKey: {} };
  const open = createEndpoints(api, paths.open);
  addHealth(open, deps);
  // The public keys for Postern's own JWTs (RFC 7517).
  open('Service', '/.well-known/jwks.json', {
    get: {
      id: 'getKeys',
      summary: 'Show the public keys',
      description: "The keys that verify Postern's JWTs.",
      answer: [200, 'A JWK Set (RFC 7517).', JWKS, JWKS_TYPE],
      handle: (c) => respond(c, JSON.stringify(deps.publicJwks()), { 'Content-Type': JWKS_TYPE }),
    },
  });
  const { apiUrl } = deps;
  if (apiUrl !== undefined) {
    open('Service', '/.well-known/oauth-authorization-server', {
      get: {
        id: 'getMetadata',
        summary: 'Show where the endpoints of OAuth are',
        description: 'Authorization server metadata (RFC 8414), without a token endpoint.',
        answer: [200, 'The metadata.', { type: 'object' }],
        handle: (c) => json(c, metadata(apiUrl)),
      },
    });
  }
  let document: string | undefined;
  open('Service', '/openapi.json', {
    get: {
      id: 'getOpenapi',
      summary: 'Show this document',
      description: 'The API in OpenAPI 3.1.',
      answer: [200, 'An OpenAPI document.', { type: 'object' }],
      handle(c) {
        document ??= JSON.stringify(openapi(deps.version, { ...paths.withKey, ...paths.open }));
        return respond(c, document, { 'Content-Type': JSON_TYPE });
      },
    },
  });
  const wrongListener = wrongListenerHandler(deps);
  api.all('/auth-request', wrongListener);
  api.all('/x-accel', wrongListener);

  api.use(identify, createAudit(deps), authenticate(deps));
  const turns = createTurns();
  const endpoint = createEndpoints(api, paths.withKey);
  addTokens(endpoint, deps, turns);
  addOAuth(createEndpoints(api, paths.withKey, authenticateOAuth(deps)), deps, turns);
  return api;
}

const JWKS_TYPE = 'application/jwk-set+json';

const JWKS = {
  type: 'object',
  properties: { keys: { type: 'array', description: 'JWKs.', items: { type: 'object' } } },
  required: ['keys'],
};

/** Hono's middleware for this would call c.header(): see `respond`. */
const identify = createMiddleware<ApiEnv>((c, next) => {
  const sent = c.req.header('x-request-id') ?? '';
  c.set('requestId', /^[\w=-]{1,255}$/.test(sent) ? sent : randomUUID());
  return next();
});

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
