/** A public prefix, on one site or on all. */
export interface Scope {
  readonly site?: string;
  readonly prefix: string;
}

/** An application that may issue tokens, and how far. */
export interface Client {
  readonly id: string;
  /** Whom its tokens are for, where a request names nobody. */
  readonly subject?: string;
  /** The public prefixes that it may issue for; absent: every mount. */
  readonly paths?: readonly Scope[];
  /** Internal prefixes that it may name as `target` beside those of its paths. */
  readonly targets: readonly string[];
  /** Seconds. */
  readonly maxExpiresIn: number;
  /** Seconds. */
  readonly maxResumeFor: number;
}

/** Whether a client may issue for a public path (or folder) of a mount that serves `site`. */
export function mayIssueFor(client: Client, site: string | undefined, path: string): boolean {
  if (client.paths === undefined) return true;
  return client.paths.some(
    (scope) => (scope.site === undefined || scope.site === site) && path.startsWith(scope.prefix),
  );
}
