import { createHmac, timingSafeEqual } from 'node:crypto';

/** Maximum number of wrong PINs. After that, decide/confirm.ts revokes the token. */
export const MAX_PIN_ATTEMPTS = 10;

/**
 * What a grant keeps of a PIN: HMAC-SHA-256 in base64url. The key is the text of the token, which the store does not
 * have, so nobody can try PINs with a copy of the store.
 */
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
