import { createHmac, timingSafeEqual } from 'node:crypto';
import { networkOf } from '../address.ts';
import { type Grant, type KnownRequester, resumableUntil, type Uses } from './grant.ts';
import { digest, randomText } from './token.ts';

/** Who presents a token, as far as it can be identified. */
export interface Requester {
  /** Digests of the secrets in its resume cookies. */
  readonly cookies: readonly string[];
  /** Absent: nginx sees no IP address. */
  readonly address?: string;
  /** Digest of the secret that it gets if this is its first use. */
  readonly newCookie: string;
}

/** 128 random bits in base64url. */
const SECRET = /^[A-Za-z0-9_-]{22}$/;

/** Secrets in one resume cookie. It keeps those of the cookie that it replaces, whose download may still run. */
const MAX_KEPT = 8;

/** Secrets read from all resume cookies of a request: nested folders have one cookie each. */
const MAX_READ = 32;

/** Identifies a requester by its resume cookies (values separated by spaces) and its address. */
export function identify(resume: string | undefined, address: string | undefined) {
  const held = new Set(resume?.split(/[ .]/).filter((secret) => SECRET.test(secret)));
  const secrets = [...held].slice(0, MAX_READ);
  const secret = randomText(16);
  const network = address === undefined ? undefined : networkOf(address);
  return {
    requester: {
      cookies: secrets.map(digest),
      ...(network !== undefined && { address: network }),
      newCookie: digest(secret),
    },
    resumeCookie: [secret, ...secrets].slice(0, MAX_KEPT).join('.'),
  };
}

/** `known`: the grant already has this requester, so that its ranges and retries take no use. `new`: it takes a use. */
export type Redeemed = 'known' | 'new';

/** Undefined: the requester may not use the grant now. store/redis/uses-and-pins.ts does the same; one suite tests both. */
export function redeem(
  grant: Grant,
  uses: Uses,
  known: readonly KnownRequester[],
  requester: Requester,
  at: number,
): Redeemed | undefined {
  const admits = at < grant.expiresAt;
  const mayResume = known.some(
    (one) => isSame(uses, one, requester) && (admits || at < resumableUntil(uses, one)),
  );
  if (mayResume) return 'known';
  return admits && known.length < (uses.max ?? Number.POSITIVE_INFINITY) ? 'new' : undefined;
}

function isSame(uses: Uses, known: KnownRequester, { cookies, address }: Requester): boolean {
  // Digests of random secrets: the time of this comparison reveals nothing.
  if (cookies.includes(known.cookie)) return true;
  return !uses.cookieOnly && address !== undefined && address === known.address;
}

/** Maximum number of wrong PINs. After that, decide/confirm.ts revokes the token. */
export const MAX_PIN_ATTEMPTS = 10;

/** HMAC-SHA-256 with the token's text as the key. The store lacks it, so nobody can try PINs with a copy of the store. */
export function pinHmac(token: string, pin: string): string {
  // Spaces are for reading. Some keyboards type full-width digits.
  const normalized = pin.normalize('NFKC').replace(/\s/g, '');
  return createHmac('sha256', token).update(normalized).digest('base64url');
}

/** Compares in constant time. */
export function matchesPin(token: string, pin: string, hmac: string): boolean {
  return timingSafeEqual(Buffer.from(pinHmac(token, pin)), Buffer.from(hmac));
}

/** False for the hash of another version of Postern, which no PIN matches. */
export function isPinHmac(kept: string): boolean {
  return /^[\w-]{43}$/.test(kept);
}
