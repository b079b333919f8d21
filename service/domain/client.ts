/** A public prefix, on one site or on all. */
export interface Scope {
  readonly site?: string;
  readonly prefix: string;
}

/** An application that may issue tokens, and how far. */
export interface Client {
  readonly id: string;
  /** The public prefixes that it may issue for; absent: every mount. */
  readonly paths?: readonly Scope[];
  /** Internal prefixes that it may name as `target` beside those of its paths. */
  readonly targets: readonly string[];
  /** Seconds. */
  readonly maxExpiresIn: number;
  /** Seconds in which it may let a requester of a counted token go on; 0: it may not. */
  readonly maxResumeFor: number;
}

/** What forbids a lifetime, in seconds, to a client; undefined if nothing does. */
export function expiryFault(client: Client, seconds: number): string | undefined {
  if (seconds <= client.maxExpiresIn) return undefined;
  return `must be at most ${client.maxExpiresIn}, this client's maximum`;
}

/** Whether a client may issue for a public path (or folder) of a mount that serves `site`. */
export function mayIssueFor(client: Client, site: string | undefined, path: string): boolean {
  if (client.paths === undefined) return true;
  return client.paths.some(
    (scope) => (scope.site === undefined || scope.site === site) && path.startsWith(scope.prefix),
  );
}
