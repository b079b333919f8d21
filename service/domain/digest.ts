import { createHash } from 'node:crypto';

/** The first 22 characters (132 bits) of base64url(SHA-256(secret)): the only form that is kept. */
export function digest(secret: string): string {
  return createHash('sha256').update(secret).digest('base64url').slice(0, 22);
}
