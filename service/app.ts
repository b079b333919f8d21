import type { Logger } from 'pino';
import { createApi } from './api/api.ts';
import type { Config } from './config/config.ts';
import { createAuthorize } from './decide/authorize.ts';
import { createDenyUnreadable, createGate } from './gate/gate.ts';
import type { Jwt } from './jwt/jwt.ts';
import type { Metrics } from './metrics/metrics.ts';
import { createPages } from './pages/pages.ts';
import { createDeliver } from './sent/collect.ts';
import type { Mounts } from './site/mount.ts';
import { createIssue } from './token/issue.ts';
import { createLookUp } from './token/look-up.ts';
import { createProlong, createRevoke } from './token/revoke.ts';
import type { Store } from './token/store.ts';
import type { Emit } from './webhooks/event.ts';

type Settings = Pick<
  Config,
  | 'apiKeys'
  | 'apiUrl'
  | 'cookies'
  | 'decisionTtl'
  | 'expiresIn'
  | 'format'
  | 'issuers'
  | 'leeway'
  | 'pages'
  | 'publicUrl'
  | 'resumeFor'
> & { readonly events: Pick<Config['events'], 'types'> };

interface AppDependencies {
  readonly mounts: Mounts;
  readonly store: Store;
  readonly jwt: Jwt;
  readonly metrics: Metrics;
  /** For `GET /metrics` of the API. */
  readonly metricsText?: () => Promise<string>;
  /** Absent: no events are recorded. */
  readonly emit?: Emit | undefined;
  /** Whether nginx reports to this process what it sent. A reload opens no listener. */
  readonly countsBytes: boolean;
  readonly version: string;
  /** The script of a list. */
  readonly listScript: string;
  readonly log: Logger;
  /** Logs an "allow" decision. */
  readonly logAllow: (fields: object) => void;
  readonly now: () => number;
  /** Maximum time for a decision in milliseconds. */
  readonly decisionMs?: number;
}

export type App = ReturnType<typeof createApp>;

/** Connects the gate and the API with decisions, tokens, the store, JWTs and metrics. Opens no listener. */
export function createApp(settings: Settings, deps: AppDependencies) {
  const { apiKeys, apiUrl, cookies, decisionTtl, issuers, publicUrl = '' } = settings;
  const { mounts, store, jwt, metrics, metricsText, decisionMs, version, log, logAllow, now } =
    deps;
  const emit = settings.events.types.length > 0 ? deps.emit : undefined;
  const { signer, verify, owners, clientOf, publicJwks } = jwt;
  const { recordDecision } = metrics;
  const lookUp = createLookUp({ ...settings, store, verify, timed: decisionTtl > 0, now });
  const authorize = createAuthorize({ mounts, store, lookUp, decisionTtl });
  const pageFor = createPages(settings.pages, deps.listScript);
  const gate = createGate({
    authorize,
    decisionMs,
    cookies,
    pageFor,
    recordDecision,
    emit,
    log,
    logAllow,
  });
  const issue = createIssue({ ...settings, ...deps, ...(signer && { signer }) });
  const api = createApi({
    apiKeys,
    clientOf,
    issue: metrics.measuredIssue(issue),
    lookUp,
    prolong: createProlong({ mounts, store, now }),
    revoke: createRevoke({ ...settings, store, lookUp, owners, now }),
    publicJwks,
    ...(metricsText && { metrics: metricsText }),
    version,
    store,
    emit,
    log,
    publicUrl,
    apiUrl,
  });
  const clients = [...apiKeys.map(({ client }) => client), ...issuers];
  const recordBytes = metrics.bytesRecorder(idsOf(clients), idsOf(mounts.all));
  const deliver = createDeliver({ store, recordBytes, emit, log });
  return { gate, denyUnreadable: createDenyUnreadable({ recordDecision, log }), api, deliver };
}

function idsOf(named: ReadonlyArray<{ readonly id: string }>): ReadonlySet<string> {
  return new Set(named.map(({ id }) => id));
}
