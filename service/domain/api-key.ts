import { createHash, timingSafeEqual } from 'node:crypto';
import type { Client } from './client.ts';

/** A client's credential; only its hash is ever kept. */
export interface ApiKey {
  /** SHA-256 of the secret: 32 bytes. */
  readonly sha256: Buffer;
  readonly client: Client;
}

export function hashSecret(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

/** The client whose secret this is. Takes the same time whichever key fits, or none. */
export function findClient(keys: readonly ApiKey[], secret: string): Client | undefined {
  const hash = hashSecret(secret);
  let found: Client | undefined;
  for (const key of keys) {
    if (timingSafeEqual(key.sha256, hash)) found = key.client;
  }
  return found;
}
