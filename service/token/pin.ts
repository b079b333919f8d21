import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';

/** Maximum number of wrong PINs, including those that are being checked. Then the token is revoked. */
export const MAX_PIN_ATTEMPTS = 10;

const KEY_BYTES = 32;

/** The hash that a grant keeps: a salt and a slow hash, in base64url. */
export async function hashPin(pin: string): Promise<string> {
  const salt = randomBytes(16);
  const key = await derive(pin, salt);
  return `${salt.toString('base64url')}.${key.toString('base64url')}`;
}

/** In constant time. */
export async function matchesPin(pin: string, hash: string): Promise<boolean> {
  const [salt = '', key = ''] = hash.split('.');
  const expected = Buffer.from(key, 'base64url');
  const derived = await derive(pin, Buffer.from(salt, 'base64url'));
  return timingSafeEqual(derived, expected);
}

/** Node's default cost: 16 MB, and about 50 ms in a thread. */
function derive(pin: string, salt: Buffer): Promise<Buffer> {
  // Spaces are for reading. Some keyboards type full-width digits.
  const normalized = pin.normalize('NFKC').replace(/\s/g, '');
  return new Promise((resolve, reject) => {
    scrypt(normalized, salt, KEY_BYTES, (error, key) => (error ? reject(error) : resolve(key)));
  });
}
