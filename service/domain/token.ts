import { randomBytes } from 'node:crypto';
import { digest } from './digest.ts';

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

/** The token id: it names a grant in the store, in logs and in the API, and gives no token away. */
export function tokenId(token: string): string {
  return digest(token);
}

const ID_SHAPE = /^[A-Za-z0-9_-]{22}$/;

export function isTokenId(id: string): boolean {
  return ID_SHAPE.test(id);
}
