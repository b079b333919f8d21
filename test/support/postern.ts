import type { RequestListener, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { type Logger, pino } from 'pino';
import { createApp } from '../../service/app.ts';
import { type Config, loadConfig } from '../../service/config/config.ts';
import { type Emit, EVENT_TYPES } from '../../service/events/event.ts';
import type { CookieSettings } from '../../service/gate/headers.ts';
import type { Format } from '../../service/issue/rules.ts';
import type { Jwt } from '../../service/jwt/jwt.ts';
import { createMetrics } from '../../service/metrics/metrics.ts';
import { createMounts, type Mount, mountId } from '../../service/paths/mount.ts';
import { listen } from '../../service/process/listen.ts';
import { createMemoryStore } from '../../service/store/memory.ts';
import { type ApiKey, type Client, hashSecret } from '../../service/token/client.ts';
import type { Store } from '../../service/token/store.ts';

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
  readonly apiUrl?: string;
  /** Whether nginx reports what it sends. */
  readonly countsBytes?: boolean;
  /** Whether the API has `/metrics`. */
  readonly apiMetrics?: boolean;
  readonly cookies?: CookieSettings;
  readonly pages?: Partial<Config['pages']>;
  /** The script of a listing. */
  readonly listingScript?: string;
  /** Absent: no events. */
  readonly emit?: Emit;
  /** As `openJwt` makes it, and the usual format. */
  readonly jwt?: Partial<Jwt> & { readonly format?: Format };
  readonly log?: Logger;
}

/** The gate and the API of the service, in this process. */
export function createPostern(options: PosternOptions = {}) {
  const {
    now = Date.now,
    decisionTtl = 0,
    cookies = { sameSite: 'Lax', secure: false, partitioned: false },
    log = pino({ level: 'silent' }),
    apiKeys = [apiKey(KEY)],
    publicUrl = '',
    apiUrl,
    apiMetrics = true,
    listingScript = '',
    decisionMs,
  } = options;
  const { format = 'opaque', ...jwt } = options.jwt ?? {};
  const version = '0.0.0';
  const metrics = createMetrics({ version, node: process.version });
  const store = metrics.measuredStore(options.store ?? createMemoryStore({ now }));
  const events = { types: options.emit ? EVENT_TYPES : [] };
  const urls = { publicUrl, ...(apiUrl !== undefined && { apiUrl }) };
  const settings = { apiKeys, cookies, decisionTtl, events, ...urls, format };
  const app = createApp(
    { ...DEFAULTS, ...settings, pages: { texts: {}, files: {}, ...options.pages } },
    {
      mounts: createMounts(options.mounts ?? [mount('/download/', '/protected/')]),
      store,
      jwt: { ...NO_JWT, ...jwt },
      metrics,
      ...(apiMetrics && { metricsText: metrics.text }),
      emit: options.emit,
      countsBytes: options.countsBytes ?? false,
      version,
      listingScript,
      log,
      now,
      ...(decisionMs !== undefined && { decisionMs }),
    },
  );
  return { ...app, store, metrics };
}

const MOUNTS = { POSTERN_MOUNTS: '/download/=/protected/' };
const DEFAULTS = loadConfig(MOUNTS, () => '', { onTerminal: true });

const NO_JWT = {
  verify: async () => ({ reason: 'no key' }),
  clientOf: async () => undefined,
  owners: new Map(),
  publicJwks: () => ({ keys: [] }),
};

export interface Listening {
  readonly server: Server;
  readonly port: number;
  stop(): Promise<void>;
}

/** Listens on 127.0.0.1, by default on a free port, or on a Unix socket. */
export async function listening(
  handler: RequestListener,
  at: number | string = 0,
): Promise<Listening> {
  const where = typeof at === 'string' ? { path: at } : { host: '127.0.0.1', port: at };
  const server = await listen(handler, where, 'this test');
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
