import { randomBytes } from 'node:crypto';
import { networkOf } from './address.ts';
import { type Grant, type KnownRequester, resumableUntil, type Uses } from './grant.ts';
import { digest } from './token.ts';

/** Who presents a token, as far as can be told. */
export interface Requester {
  /** Digests of the secrets in its resume cookies. */
  readonly cookies: readonly string[];
  /** Absent: nginx sees no IP address. */
  readonly address?: string;
  /** Digest of the secret that it gets should this be its first use. */
  readonly newCookie: string;
}

export interface Presented {
  readonly requester: Requester;
  /** What its resume cookie is to hold after a first use. */
  readonly resumeCookie: string;
}

/** 128 random bits in base64url. */
const SECRET = /^[A-Za-z0-9_-]{22}$/;

/**
 * A cookie of one path is replaced by the next one of that path, and a file may be fetched with one
 * token while the download with another still runs: so a cookie keeps the secrets before its own.
 */
const MOST_KEPT = 8;

/** Of several cookies, as nested folders have them. */
const MOST_READ = 32;

/** Reads the resume cookies, values parted by spaces, and makes a new secret. */
export function present(resume: string | undefined, address: string | undefined): Presented {
  const held = new Set(resume?.split(/[ .]/).filter((secret) => SECRET.test(secret)));
  const secrets = [...held].slice(0, MOST_READ);
  const secret = randomBytes(16).toString('base64url');
  const network = address === undefined ? undefined : networkOf(address);
  return {
    requester: {
      cookies: secrets.map(digest),
      ...(network !== undefined && { address: network }),
      newCookie: digest(secret),
    },
    resumeCookie: [secret, ...secrets].slice(0, MOST_KEPT).join('.'),
  };
}

/** What a requester is to a grant: one that it has, or one that it may have yet. */
export type Redeemed = 'known' | 'new';

/**
 * Whether a requester may use a grant now, and as what; undefined if it may not. Stores that run
 * elsewhere do the same there (store/scripts.ts); one suite holds both to it.
 */
export function redeem(
  grant: Grant,
  uses: Uses,
  known: readonly KnownRequester[],
  requester: Requester,
  now: number,
): Redeemed | undefined {
  const admits = now < grant.expiresAt;
  const goesOn = known.some(
    (one) => isSame(uses, one, requester) && (admits || now < resumableUntil(uses, one)),
  );
  if (goesOn) return 'known';
  return admits && known.length < (uses.max ?? Number.POSITIVE_INFINITY) ? 'new' : undefined;
}

function isSame(uses: Uses, known: KnownRequester, { cookies, address }: Requester): boolean {
  // Digests of random secrets: how long it takes to compare them tells nothing.
  if (cookies.includes(known.cookie)) return true;
  return !uses.cookieOnly && address !== undefined && address === known.address;
}
