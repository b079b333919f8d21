import { randomBytes } from 'node:crypto';
import { networkOf } from './address.ts';
import { digest } from './digest.ts';

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
