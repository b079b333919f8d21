import { createHash, randomBytes } from 'node:crypto';

/** `ps_` and 32 base64url characters: 24 random bytes exactly, so no two spellings of one token. */
const SHAPE = /^ps_[A-Za-z0-9_-]{32}$/;

/** A new opaque token, from 192 random bits. */
export function newToken(): string {
  return `ps_${randomBytes(24).toString('base64url')}`;
}

const ANYWHERE = /ps_[A-Za-z0-9_-]{32}/g;

/** A text without the tokens in it, for a log. */
export function withoutTokens(text: string): string {
  return text.replace(ANYWHERE, 'ps_***');
}

/** Whether a credential is shaped like a token of ours; another application's is not. */
export function isToken(credential: string): boolean {
  return SHAPE.test(credential);
}

/**
 * The token id: the first 22 characters (132 bits) of base64url(SHA-256(token)).
 * It names a grant in the store, in logs and in the API, and does not give the token away.
 */
export function tokenId(token: string): string {
  return createHash('sha256').update(token).digest('base64url').slice(0, 22);
}

const ID_SHAPE = /^[A-Za-z0-9_-]{22}$/;

export function isTokenId(id: string): boolean {
  return ID_SHAPE.test(id);
}
