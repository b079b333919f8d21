import { hash, randomFillSync } from 'node:crypto';

/** 24 bytes fill 32 base64url characters exactly, so a token has only one spelling. */
const OPAQUE = /^ps_[A-Za-z0-9_-]{32}$/;

/** A new opaque token, from 192 random bits. */
export function newToken(): string {
  return `ps_${randomText(24)}`;
}

/** `typ` of a JWT that is a download token (RFC 8725, section 3.11). */
export const JWT_TYPE = 'postern+jwt';

/** A longer token does not fit into a cookie. */
export const MAX_JWT_LENGTH = 4000;
const COMPACT = /^ey[A-Za-z0-9_-]+\.ey[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;

/** Whether a credential has the form of a Postern token; other applications' credentials do not. */
export function isToken(credential: string): boolean {
  return isOpaque(credential) || (credential.length <= MAX_JWT_LENGTH && isDownloadJwt(credential));
}

export function isOpaque(credential: string): boolean {
  return OPAQUE.test(credential);
}

/** Whether this is a compact JWS (RFC 7515) with the type of a download token. Not verified. */
export function isDownloadJwt(credential: string): boolean {
  return COMPACT.test(credential) && typeOf(credential) === JWT_TYPE;
}

/** A header with a chain of three certificates (`x5c`) has 7,000 characters, and one without has 250. */
const MAX_HEADER_LENGTH = 8000;

/** Colons, brackets and braces; usual headers have ten. To JSON.parse, a member costs more than 1,000 characters. */
const MAX_HEADER_MARKS = 64;

/**
 * The `typ` in the header of a JWT, in lower case and without its optional prefix (RFC 7515, section 4.1.9). Undefined if
 * the header is no JSON object or too large: the verification must not read it either.
 */
export function typeOf(jwt: string): string | undefined {
  const header = jwt.slice(0, jwt.indexOf('.'));
  if (header.length > MAX_HEADER_LENGTH) return undefined;
  const text = Buffer.from(header, 'base64url').toString('utf8');
  if (text.split(/[:[{]/, MAX_HEADER_MARKS + 2).length > MAX_HEADER_MARKS + 1) return undefined;
  try {
    const { typ } = JSON.parse(text);
    return String(typ)
      .toLowerCase()
      .replace(/^application\//, '');
  } catch {
    return undefined;
  }
}

/** The token ID of a JWT, from signed claims: its bytes can be changed and still verify. */
export function jwtId(issuer: string, jti: string): string {
  return digest(`${issuer}\0${jti}`);
}

/** Names the subject of JWTs of an issuer. */
export const subjectId = jwtId;

export function isTokenId(id: string): boolean {
  return /^[A-Za-z0-9_-]{22}$/.test(id);
}

/** The token in the segment `~<token>` directly after a mount's prefix. */
export function tokenSegment(path: string, prefix: string): string | undefined {
  if (path[prefix.length] !== '~') return undefined;
  const end = path.indexOf('/', prefix.length);
  const token = path.slice(prefix.length + 1, end < 0 ? undefined : end);
  return isToken(token) ? token : undefined;
}

/** The first 22 characters (132 bits) of base64url(SHA-256(secret)). Secrets are kept only in this form. */
export function digest(secret: string): string {
  // Takes a third of the time of createHash().
  return hash('sha256', secret, 'base64url').slice(0, 22);
}

/** The token ID: names a grant in the store, in logs and in the API without revealing the token. */
export const tokenId = digest;

/**
 * Makes secrets in base64url. It gives out each byte once, and overwrites it: the pool never has a secret in use. A call
 * of the system takes 2 µs, and takes no longer for a few thousand bytes.
 */
export function createRandomText(fill: (pool: Buffer) => unknown = randomFillSync, size = 4096) {
  const pool = Buffer.alloc(size);
  let used = size;
  return function randomText(bytes: number): string {
    if (bytes > size) throw new RangeError(`a secret has at most ${size} bytes, not ${bytes}`);
    if (used + bytes > size) {
      fill(pool);
      used = 0;
    }
    const end = used + bytes;
    const text = pool.toString('base64url', used, end);
    pool.fill(0, used, end);
    used = end;
    return text;
  };
}

export const randomText = createRandomText();
