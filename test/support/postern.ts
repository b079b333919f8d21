import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { type Logger, pino } from 'pino';
import { createApi } from '../../service/api/api.ts';
import { createAuthorize } from '../../service/domain/authorize.ts';
import { type ApiKey, type Client, hashSecret } from '../../service/domain/client.ts';
import { createWithin } from '../../service/domain/deadline.ts';
import { createIssue, type Format } from '../../service/domain/issue.ts';
import { createLookUp } from '../../service/domain/look-up.ts';
import { createMounts, type Mount, mountId } from '../../service/domain/mount.ts';
import { createProlong, createRevoke } from '../../service/domain/revoke.ts';
import type { Store } from '../../service/domain/store.ts';
import type { CookieSettings } from '../../service/gate/cookies.ts';
import { createGate } from '../../service/gate/gate.ts';
import { createDenyUnreadable } from '../../service/gate/unreadable.ts';
import type { Jwt } from '../../service/jwt/open.ts';
import { createMetrics } from '../../service/metrics/metrics.ts';
import { measuredStore } from '../../service/metrics/store.ts';
import { measuredIssue } from '../../service/metrics/tokens.ts';
import { createMemoryStore } from '../../service/store/memory.ts';

export const KEY = 'a-key-for-the-tests-only';

/** A mount from its two prefixes, `[site:]/public/` and `/internal/`. */
export function mount(place: string, internal: string, more: Partial<Mount> = {}): Mount {
  const slash = place.indexOf('/');
  const site = slash === 0 ? undefined : place.slice(0, slash - 1);
  const prefix = place.slice(slash);
  return {
    id: mountId(site, prefix),
    ...(site !== undefined && { site }),
    prefix,
    internal,
    passArguments: [],
    ...more,
  };
}

export function apiKey(secret: string, client: Partial<Client> = {}): ApiKey {
  return {
    sha256: hashSecret(secret),
    client: { id: 'test', targets: [], maxExpiresIn: 3600, maxResumeFor: 86_400, ...client },
  };
}

export interface PosternOptions {
  readonly mounts?: readonly Mount[];
  readonly apiKeys?: readonly ApiKey[];
  readonly store?: Store;
  readonly decisionTtl?: number;
  /** Instead of the time that a decision may take. */
  readonly decisionMs?: number;
  readonly now?: () => number;
  readonly publicUrl?: string;
  readonly cookies?: CookieSettings;
  /** As `openJwt` makes it, and the usual format. */
  readonly jwt?: Partial<Jwt> & { readonly format?: Format };
  readonly log?: Logger;
}

/** The program's two listeners as main.ts makes them, without a process of their own. */
export function createPostern(options: PosternOptions = {}) {
  const {
    now = Date.now,
    decisionTtl = 0,
    publicUrl = '',
    cookies = { sameSite: 'Lax', secure: false },
    log = pino({ level: 'silent' }),
  } = options;
  const mounts = createMounts(options.mounts ?? [mount('/download/', '/protected/')]);
  const version = '0.0.0';
  const metrics = createMetrics({ version, node: process.version });
  const { recordDecision } = metrics;
  const store = measuredStore(options.store ?? createMemoryStore({ now }), metrics);
  const apiKeys = options.apiKeys ?? [apiKey(KEY)];
  const {
    verify = async () => ({ reason: 'no key' }),
    signer,
    format = 'opaque',
  } = options.jwt ?? {};
  const { clientOf = async () => undefined, owners = new Map() } = options.jwt ?? {};
  const { publicJwks = () => ({ keys: [] }) } = options.jwt ?? {};
  const formats = { format, ...(signer && { signer }) };
  const issue = createIssue({ mounts, store, now, expiresIn: 120, resumeFor: 3600, ...formats });
  const lookUp = createLookUp({ store, verify, timed: decisionTtl > 0, leeway: 5, now });
  const prolong = createProlong({ mounts, store, now });
  const revoke = createRevoke({ store, lookUp, owners, now });
  const authorize = createAuthorize({ mounts, store, lookUp, decisionTtl });
  return {
    store,
    metrics,
    gate: createGate({
      authorize,
      within: createWithin(options.decisionMs),
      cookies,
      recordDecision,
      log,
    }),
    denyUnreadable: createDenyUnreadable({ recordDecision, log }),
    api: createApi({
      version,
      apiKeys,
      clientOf,
      issue: measuredIssue(issue, metrics.tokens),
      lookUp,
      prolong,
      revoke,
      publicJwks,
      metrics: metrics.text,
      store,
      log,
      publicUrl,
    }),
  };
}

export interface Listening {
  readonly server: Server;
  readonly port: number;
  stop(): Promise<void>;
}

/** Listens on a free port of 127.0.0.1. */
export async function listening(handler: RequestListener, port = 0): Promise<Listening> {
  const server = createServer({ keepAliveTimeout: 75_000 }, handler);
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    server,
    port: (server.address() as AddressInfo).port,
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export function apiListener(api: ReturnType<typeof createPostern>['api']): RequestListener {
  return getRequestListener(api.fetch);
}

export interface IssuedToken {
  readonly access_token: string;
  readonly token_type: string;
  readonly expires_in: number;
  readonly id: string;
  readonly url: string;
}

/** Issues one token through the API. */
export async function issueToken(
  api: ReturnType<typeof createPostern>['api'],
  body: object,
  key = KEY,
): Promise<IssuedToken> {
  const response = await api.request('/tokens', {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (response.status !== 201) throw new Error(`${response.status} ${await response.text()}`);
  return (await response.json()) as IssuedToken;
}
