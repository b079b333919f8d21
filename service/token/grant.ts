import { GRANT_FIELDS, type GrantField, type KeptFields } from './grant-fields.ts';

/**
 * What a token allows, stored under its ID. Times are milliseconds since the epoch. The fields that a
 * grant keeps as requested are declared in grant-fields.ts; of these, `site` is set only if the mount
 * serves every site, and `target` is an internal prefix if `covers` is a folder.
 */
export interface Grant extends KeptFields {
  /** The client that issued it: the only one that may see, prolong or revoke it. */
  readonly client: string;
  /** ID of the mount, fixed when the token is issued. */
  readonly mount: string;
  /** The public path of a file, or a public prefix that ends with a slash. */
  readonly covers: string;
  readonly issuedAt: number;
  /** With `uses`: until when a new requester is admitted. */
  readonly expiresAt: number;
  /** Absent: requesters are not tracked. */
  readonly uses?: Uses;
  /** With `confirm`: what `pinHmac` returns for the PIN that a new requester must know. */
  readonly pinHmac?: string;
  /** Of its mount: seconds for which a download may run. The store keeps the grant so much longer, to be revoked. */
  readonly downloadTime?: number;
  /** JWT: the end of the signed token. The store cannot change it. */
  readonly signedUntil?: number;
  /** Set by the store: `maxBytes` were sent. */
  readonly exhausted?: true;
  /** Another issuer signed the token. The store first sees it at its first use. */
  readonly external?: true;
}

/** How the requesters of a grant are counted and recognized. */
export interface Uses {
  /** Number of requesters that may use it; absent: any number. */
  readonly max?: number;
  /** Seconds from its own first use in which a requester may resume, even past `expiresAt`. */
  readonly resumeFor: number;
  /** The address does not identify a requester, only the cookie does. */
  readonly cookieOnly?: true;
}

export interface KnownRequester {
  /** Time of its first use, by the store's clock. */
  readonly began: number;
  /** Digest of the secret in its resume cookie. */
  readonly cookie: string;
  /** The address as `networkOf` returns it; absent: unknown. */
  readonly address?: string;
}

export function isFolder(covers: string): boolean {
  return covers.endsWith('/');
}

export function coversPath(covers: string, path: string): boolean {
  return isFolder(covers) ? path.startsWith(covers) : path === covers;
}

export function resumableUntil(uses: Uses, { began }: KnownRequester): number {
  return began + uses.resumeFor * 1000;
}

/** The latest end of a grant that is not prolonged: that of a requester that starts at `expiresAt`. */
export function latestEndOf({ expiresAt, uses }: Pick<Grant, 'expiresAt' | 'uses'>): number {
  return expiresAt + (uses?.resumeFor ?? 0) * 1000;
}

/** How much longer than `latestEndOf` the store keeps a grant: downloads that began before may still run. */
export function keptMs({ downloadTime = 0 }: Pick<Grant, 'downloadTime'>): number {
  return downloadTime * 1000;
}

/** Maximum of POSTERN_JWT_LEEWAY: how long a JWT may be accepted before it begins or after it ends. */
export const MAX_LEEWAY_MS = 60_000;

/** Maximum difference between the clocks of instances and of the store. */
export const MAX_CLOCK_SKEW_MS = 600_000;

/** Until when the store keeps an external token. While an instance accepts it, its uses must remain counted. */
export function rememberedUntil(grant: Grant): number {
  const { expiresAt, signedUntil = expiresAt } = grant;
  return signedUntil + MAX_LEEWAY_MS + MAX_CLOCK_SKEW_MS + keptMs(grant);
}

/** The fields that a grant keeps, with their names: JSON, grant, record and claim. */
export const KEPT_FIELDS = Object.entries<GrantField>(GRANT_FIELDS).flatMap(
  ([name, { type, record, claim = name, shown = true }]) => {
    if (record === undefined) return [];
    const property = name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
    const isFlag = type === 'flag';
    return [{ name, property: property as keyof KeptFields, record, claim, shown, isFlag }];
  },
);

type KeptField = (typeof KEPT_FIELDS)[number];

/** Picks the kept fields from named values. Absent values and false flags stay absent. */
export function keptFieldsOf(
  values: Readonly<Record<string, unknown>>,
  nameIn: (field: KeptField) => string | false = ({ name }) => name,
): KeptFields {
  const kept: Record<string, unknown> = {};
  for (const field of KEPT_FIELDS) {
    const name = nameIn(field);
    const value = name === false ? undefined : values[name];
    if (value !== undefined && !(field.isFlag && value === false)) kept[field.property] = value;
  }
  return kept;
}
