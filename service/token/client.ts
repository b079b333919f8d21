import { hash, timingSafeEqual } from 'node:crypto';
import { RequestError } from './request-error.ts';

/** A public prefix, on one site or on all. */
export interface Scope {
  readonly site?: string;
  readonly prefix: string;
}

/** An application that may issue tokens, with its limits. */
export interface Client {
  readonly id: string;
  /** Default subject of its tokens. */
  readonly subject?: string;
  /** The public prefixes that it may issue for; absent: every mount. */
  readonly paths?: readonly Scope[];
  /** Internal prefixes that it may name as `target`, in addition to those of its paths. */
  readonly targets: readonly string[];
  readonly maxExpiresIn: number;
  readonly maxResumeFor: number;
  /** It may list and revoke all tokens of another client or of its subjects, but no token by its ID. */
  readonly admin?: boolean;
}

/** Whether a client may issue for a public path (or folder) of a mount that serves `site`. */
export function mayIssueFor(client: Client, site: string | undefined, path: string): boolean {
  if (client.paths === undefined) return true;
  return client.paths.some(
    (scope) => (scope.site === undefined || scope.site === site) && path.startsWith(scope.prefix),
  );
}

/** The client whose tokens a request selects: the client itself, unless it names another. @throws RequestError */
export function ownerOf({ id, admin }: Client, owner: string | undefined): string {
  if (owner === undefined || owner === id || admin) return owner ?? id;
  throw new RequestError(
    'insufficient_scope',
    'Only a client with admin: true may name another client.',
  );
}

/** A client's credential. Only its hash is kept. */
export interface ApiKey {
  /** SHA-256 of the secret: 32 bytes. */
  readonly sha256: Buffer;
  readonly client: Client;
}

export function hashSecret(secret: string): Buffer {
  return hash('sha256', secret, 'buffer');
}

/** Finds the client with this secret, and with this ID if there is one, in constant time. */
export function findClient(keys: readonly ApiKey[], secret: string, id?: string) {
  const presented = hashSecret(secret);
  let found: Client | undefined;
  for (const { sha256, client } of keys) {
    const isNamed = id === undefined || id === client.id;
    if (timingSafeEqual(sha256, presented) && isNamed) found = client;
  }
  return found;
}
