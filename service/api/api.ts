import { randomUUID } from 'node:crypto';
import { type Context, Hono } from 'hono';
import { createMiddleware } from 'hono/factory';
import { perMinute } from '../rate-limit.ts';
import { type Store, StoreUnavailable } from '../token/store.ts';
import { type ApiEnv, type AuditDependencies, createAudit } from './audit.ts';
import { authenticate, byForm, type KnownClients } from './authenticate.ts';
import { type AddEndpoint, createEndpoints, openapi, ref } from './endpoint.ts';
import { addOAuth, metadata, type OAuthDependencies } from './oauth.ts';
import { isOAuth, JSON_TYPE, json, problem, problemOf, respond } from './responses.ts';
import { addTokens, type TokensDependencies } from './tokens.ts';

export interface ApiDependencies
  extends AuditDependencies,
    KnownClients,
    OAuthDependencies,
    TokensDependencies,
    Pick<HealthDependencies, 'metricsText'> {
  readonly publicJwks: () => object;
  readonly version: string;
  /** Origin of the API for clients; absent: there is no metadata. */
  readonly apiUrl?: string | undefined;
}

export function createApi(deps: ApiDependencies): Hono<ApiEnv> {
  const api = createListener(deps);
  const paths = { open: {}, withKey: {} };
  const open = createEndpoints(api, paths.open);
  addHealth(open, { ...deps, check: () => deps.store.check() });
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
  api.on('ALL', ['/auth-request', '/x-accel'], wrongListenerHandler(deps));

  const admit = authenticate(deps);
  api.use(identify, createAudit(deps), (c, next) => (isOAuth(c) ? next() : admit(c, next)));
  addTokens(createEndpoints(api, paths.withKey), deps);
  addOAuth(createEndpoints(api, paths.withKey, authenticate(deps, byForm)), deps);
  return api;
}

interface HealthDependencies extends Pick<AuditDependencies, 'log'>, Pick<Store, 'check'> {
  /** The metrics in Prometheus' text format; absent: another listener has `/metrics`. */
  readonly metricsText?: () => Promise<string>;
}

/** A listener with the endpoints for the health of the service only. They need no key. */
export function createHealth(deps: HealthDependencies): Hono<ApiEnv> {
  const api = createListener(deps);
  addHealth(createEndpoints(api, {}), deps);
  return api;
}

/** A listener that answers errors and unknown paths with problems. */
function createListener({ log }: Pick<HealthDependencies, 'log'>): Hono<ApiEnv> {
  const api = new Hono<ApiEnv>();
  api.onError((error, c) => problemOf(error, c, log));
  api.notFound((c) => {
    const isNear = /^\/tokens?\/?$/.test(c.req.path);
    return problem(c, 'not_found', isNear ? 'The endpoint is /tokens.' : undefined);
  });
  return api;
}

/** https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format */
const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** `/livez`, `/readyz` and, if there are metrics, `/metrics`. */
function addHealth(endpoint: AddEndpoint, { check, log, metricsText }: HealthDependencies): void {
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
      async handle(c) {
        try {
          return json(c, { status: 'ok', ...(await check()) });
        } catch (error) {
          const { shown, health } = error instanceof StoreUnavailable ? error : {};
          return problemOf(error as Error, c, log, shown, health);
        }
      },
    },
  });
  if (metricsText === undefined) return;
  endpoint('Service', '/metrics', {
    get: {
      id: 'getMetrics',
      summary: 'Show metrics',
      description: "Metrics in Prometheus' text format.",
      answer: [200, 'Text, version 0.0.4.', { type: 'string' }, 'text/plain'],
      handle: async (c) => respond(c, await metricsText(), { 'Content-Type': METRICS_TYPE }),
    },
  });
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

/** nginx asks the wrong listener. No key is needed: nginx would pass a 401 on as a denial of the requester's token. */
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
