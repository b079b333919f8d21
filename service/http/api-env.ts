import type { Logger } from 'pino';
import type { ApiKey } from '../domain/api-key.ts';
import type { Client } from '../domain/client.ts';
import type { Issue } from '../domain/issue.ts';
import type { Store } from '../domain/store.ts';

/** What the API needs, made by main.ts. */
export interface ApiDependencies {
  readonly apiKeys: readonly ApiKey[];
  readonly issue: Issue;
  readonly store: Store;
  readonly log: Logger;
  readonly now: () => number;
  /** Before each `url`; empty: it is a path. */
  readonly publicUrl: string;
}

/** What the middleware leaves for a handler. */
export interface ApiEnv {
  Variables: { client: Client };
}
