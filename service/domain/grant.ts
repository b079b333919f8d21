export type Disposition = 'attachment' | 'inline';

/** What a token allows, as stored under its id. Times are milliseconds since the epoch. */
export interface Grant {
  /** The client that issued it: the only one that may see, prolong or revoke it. */
  readonly client: string;
  /** The id of its mount, fixed at issue. */
  readonly mount: string;
  /** Where its mount serves every site: the one site for which it was asked. */
  readonly site?: string;
  /** The public path of one file; or, with a slash at its end, of all that lies under a folder. */
  readonly covers: string;
  readonly subject?: string;
  /** Internal URI instead of the mount's; an internal prefix where `covers` is a folder. */
  readonly target?: string;
  readonly filename?: string;
  readonly disposition?: Disposition;
  /** Bytes per second and connection. */
  readonly limitRate?: number;
  readonly issuedAt: number;
  readonly expiresAt: number;
}

export function isFolder(covers: string): boolean {
  return covers.endsWith('/');
}

export function coversPath(covers: string, path: string): boolean {
  return isFolder(covers) ? path.startsWith(covers) : path === covers;
}
