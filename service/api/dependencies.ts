import type { Logger } from 'pino';
import type { ApiKey, Client } from '../domain/client.ts';
import type { Issue } from '../domain/issue.ts';
import type { LookUp } from '../domain/look-up.ts';
import type { Prolong, Revoke } from '../domain/revoke.ts';
import type { Store } from '../domain/store.ts';

/** What the API needs, made by main.ts. */
export interface ApiDependencies {
  readonly apiKeys: readonly ApiKey[];
  /** The client whom a JWT is of. */
  readonly clientOf: (credential: string) => Promise<Client | undefined>;
  readonly lookUp: LookUp;
  readonly prolong: Prolong;
  readonly revoke: Revoke;
  /** The public keys that verify our JWTs. */
  readonly publicJwks: () => object;
  /** As Prometheus reads them. */
  readonly metrics: () => Promise<string>;
  /** Of Postern. */
  readonly version: string;
  readonly issue: Issue;
  readonly store: Store;
  readonly log: Logger;
  /** Before each `url`; empty: it is a path. */
  readonly publicUrl: string;
}

/** What the middleware leaves for a handler. */
export interface ApiEnv {
  Variables: { client: Client };
}
