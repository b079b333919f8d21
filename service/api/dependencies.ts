import type { Logger } from 'pino';
import type { ApiKey, Client } from '../domain/client.ts';
import type { Issue } from '../domain/issue.ts';
import type { LookUp } from '../domain/look-up.ts';
import type { Prolong, Revoke } from '../domain/revoke.ts';
import type { Store } from '../domain/store.ts';

/** What the API needs, made by main.ts. */
export interface ApiDependencies {
  readonly apiKeys: readonly ApiKey[];
  /** The client of a JWT. */
  readonly clientOf: (credential: string) => Promise<Client | undefined>;
  readonly lookUp: LookUp;
  readonly prolong: Prolong;
  readonly revoke: Revoke;
  readonly publicJwks: () => object;
  /** In Prometheus' text format. */
  readonly metrics: () => Promise<string>;
  readonly version: string;
  readonly issue: Issue;
  readonly store: Store;
  readonly log: Logger;
  /** Origin of each `url`; empty: `url` is a path. */
  readonly publicUrl: string;
}

/** Set by the middleware. */
export interface ApiEnv {
  Variables: { client: Client };
}
