import type { KeptFields } from './grant-fields.ts';

/**
 * What a token allows, as stored under its id. Times are milliseconds since the epoch. The fields that
 * it keeps as they were asked for are declared in grant-fields.ts; of these, `site` is set only where
 * the mount serves every site, and `target` is an internal prefix where `covers` is a folder.
 */
export interface Grant extends KeptFields {
  /** The client that issued it: the only one that may see, prolong or revoke it. */
  readonly client: string;
  /** The id of its mount, fixed at issue. */
  readonly mount: string;
  /** The public path of one file; or, with a slash at its end, of all that lies under a folder. */
  readonly covers: string;
  readonly issuedAt: number;
  /** Where its requesters are told apart: until when a new one is admitted. */
  readonly expiresAt: number;
  /** Absent: its requesters are not told apart. */
  readonly uses?: Uses;
  /** Of a JWT: when what was signed ends for all, whatever the store says. */
  readonly signedUntil?: number;
  /** Someone else signed it: the store learns of it at its first use, and must not forget it before. */
  readonly foreign?: true;
}

/** How a grant's requesters are told apart. */
export interface Uses {
  /** How many requesters may use it; absent: any number. */
  readonly max?: number;
  /** Seconds from its own first use in which a requester may go on, even past `expiresAt`. */
  readonly resumeFor: number;
  /** Its cookie alone, and not its address, tells a requester. */
  readonly cookieOnly?: true;
}

export interface KnownRequester {
  /** When its first use was, by the store's clock. */
  readonly began: number;
  /** The digest of the secret in its resume cookie. */
  readonly cookie: string;
  /** As `networkOf` has it; absent: it had none. */
  readonly address?: string;
}

export function isFolder(covers: string): boolean {
  return covers.endsWith('/');
}

export function coversPath(covers: string, path: string): boolean {
  return isFolder(covers) ? path.startsWith(covers) : path === covers;
}

/** Until when a requester may go on of its own, whatever the grant's end. */
export function resumableUntil(uses: Uses, { began }: KnownRequester): number {
  return began + uses.resumeFor * 1000;
}

/** The latest end that it can have unless it is prolonged: who starts at the last moment goes on. */
export function latestEndOf({ expiresAt, uses }: Pick<Grant, 'expiresAt' | 'uses'>): number {
  return expiresAt + (uses?.resumeFor ?? 0) * 1000;
}

/** The most by which a JWT may be used before it begins or after it ends: POSTERN_LEEWAY's maximum. */
export const FORGIVEN_MS = 60_000;

/** The most by which the clocks of instances and of the store may differ. */
export const CLOCKS_APART_MS = 600_000;

/**
 * Until when the store remembers what happened to a token that others signed. Forgotten while an
 * instance accepts it, it would be as good as new.
 */
export function rememberedUntil({
  expiresAt,
  signedUntil = expiresAt,
}: Pick<Grant, 'expiresAt' | 'signedUntil'>): number {
  return signedUntil + FORGIVEN_MS + CLOCKS_APART_MS;
}
