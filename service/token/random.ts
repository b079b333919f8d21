import { randomFillSync } from 'node:crypto';

/** Bytes that one call of the system fills. A call takes 2 µs, and takes no longer for a few thousand bytes. */
const POOL_BYTES = 4096;

/**
 * Returns a function that makes secrets from random bytes, in base64url. It gives out each byte once, and then
 * overwrites it, so that the pool never has a secret that somebody uses.
 */
export function createRandomText(
  fill: (pool: Buffer) => unknown = randomFillSync,
  size = POOL_BYTES,
): (bytes: number) => string {
  const pool = Buffer.alloc(size);
  let used = size;
  return function randomText(bytes) {
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
