import { createHash, randomBytes } from 'node:crypto';

/** `ps_` and 32 base64url characters: 24 random bytes exactly, so no two spellings of one token. */
const OPAQUE = /^ps_[A-Za-z0-9_-]{32}$/;

/** A new opaque token, from 192 random bits. */
export function newToken(): string {
  return `ps_${randomBytes(24).toString('base64url')}`;
}

/** `typ` of a JWT that is a download token (RFC 8725, section 3.11), and of no other. */
export const JWT_TYPE = 'postern+jwt';

/** A longer one would not fit into a cookie. */
export const MAX_JWT_LENGTH = 4000;
const COMPACT = /^ey[A-Za-z0-9_-]+\.ey[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;

/** Whether a credential is shaped like a token of ours; another application's is not. */
export function isToken(credential: string): boolean {
  return isOpaque(credential) || (credential.length <= MAX_JWT_LENGTH && isDownloadJwt(credential));
}

export function isOpaque(credential: string): boolean {
  return OPAQUE.test(credential);
}

/**
 * A compact JWS (RFC 7515), of whatever length, that says of itself that it is a download token.
 * Proves nothing.
 */
export function isDownloadJwt(credential: string): boolean {
  if (!COMPACT.test(credential)) return false;
  const header = credential.slice(0, credential.indexOf('.'));
  try {
    const { typ } = JSON.parse(Buffer.from(header, 'base64url').toString('utf8'));
    // The shorter form of a media type, RFC 7515, section 4.1.9.
    return (
      String(typ)
        .toLowerCase()
        .replace(/^application\//, '') === JWT_TYPE
    );
  } catch {
    return false;
  }
}

/**
 * The token id of an opaque token: it names a grant in the store, in logs and in the API, and gives
 * no token away.
 */
export function tokenId(token: string): string {
  return digest(token);
}

/** The same of a JWT: of what was signed, never of its bytes, which can be changed and still verify. */
export function jwtId(issuer: string, jti: string): string {
  return digest(`${issuer}\0${jti}`);
}

const ID_SHAPE = /^[A-Za-z0-9_-]{22}$/;

export function isTokenId(id: string): boolean {
  return ID_SHAPE.test(id);
}

/** The first 22 characters (132 bits) of base64url(SHA-256(secret)): the only form that is kept. */
export function digest(secret: string): string {
  return createHash('sha256').update(secret).digest('base64url').slice(0, 22);
}
