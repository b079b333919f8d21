import { createApi } from './api/api.ts';
import type { Config } from './config/config.ts';
import { createAuthorize } from './decide/authorize.ts';
import { addDeliveries } from './delivery/collect.ts';
import { createDenyUnreadable, createGate } from './gate/gate.ts';
import { createIssue } from './issue/issue.ts';
import { prolong } from './issue/prolong.ts';
import type { Jwt } from './jwt/jwt.ts';
import type { Metrics } from './metrics/metrics.ts';
import { createPages } from './pages/pages.ts';
import type { DeliveryEntry } from './token/delivery.ts';
import { createLookUp, findOfClient } from './token/look-up.ts';
import { createRevoke } from './token/revoke.ts';
import type { Store } from './token/store.ts';

interface AppDependencies
  extends Pick<Parameters<typeof createApi>[0], 'emit' | 'log' | 'metricsText' | 'version'>,
    Pick<Parameters<typeof createGate>[0], 'decisionMs'>,
    Pick<Parameters<typeof createIssue>[0], 'countsBytes' | 'mounts' | 'now'> {
  readonly store: Store;
  readonly jwt: Jwt;
  readonly metrics: Metrics;
  /** The script of a listing. */
  readonly listingScript: string;
}

export type App = ReturnType<typeof createApp>;

/** Connects the gate and the API with decisions, tokens, the store, JWTs and metrics. Opens no listener. */
export function createApp(config: Config, deps: AppDependencies) {
  const { apiKeys, decisionTtl, events, issuers, pages, publicUrl = '' } = config;
  const { mounts, jwt, log, metrics, listingScript, store } = deps;
  const { recordDecision } = metrics;
  const emit = events.types.length > 0 ? deps.emit : undefined;
  // Each part takes what it declares. What is open, such as the store, replaces its settings.
  const parts = { ...config, ...deps, ...jwt, emit, publicUrl };
  const timed = decisionTtl > 0 || mounts.all.some(({ maxAge }) => maxAge !== undefined);
  const lookUp = createLookUp({ ...parts, timed });
  const authorize = createAuthorize({ ...parts, lookUp });
  const pageFor = createPages(pages, listingScript);
  const gate = createGate({ ...parts, authorize, pageFor, recordDecision });
  const issue = metrics.measuredIssue(createIssue(parts));
  const revoke = createRevoke({ ...parts, lookUp });
  const api = createApi({
    ...{ ...parts, issue, lookUp, revoke },
    find: (client, id) => findOfClient(parts, client, id),
    prolong: (client, id, expiresIn) => prolong(parts, client, id, expiresIn),
  });
  const clients = [...apiKeys.map(({ client }) => client), ...issuers];
  const recordBytes = metrics.bytesRecorder(idsOf(clients), idsOf(mounts.all));
  return {
    gate,
    denyUnreadable: createDenyUnreadable({ recordDecision, log }),
    api,
    deliver: (entries: readonly DeliveryEntry[]) =>
      addDeliveries({ store, emit, log, recordBytes }, entries),
  };
}

function idsOf(named: ReadonlyArray<{ readonly id: string }>): ReadonlySet<string> {
  return new Set(named.map(({ id }) => id));
}
