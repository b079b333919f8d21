import type { ApiKey } from '../domain/client.ts';
import { type ReadApiKey, readApiKey } from './api-key.ts';
import { apiKeysFromText } from './api-key-text.ts';
import { readList } from './entry.ts';
import type { Faults } from './fault.ts';
import { type Given, isList } from './given.ts';
import type { Bounds } from './limits.ts';

/** Every API key; none where none is configured. */
export function readApiKeys(
  given: Given | undefined,
  bounds: Bounds,
  faults: Faults,
): readonly ApiKey[] {
  // With no place in a file it comes from the environment, as text.
  const entries =
    given !== undefined && given.where === undefined
      ? apiKeysFromText(given, faults)
      : readList(given, 'API keys', faults);
  // No keys is what is not given at all; a list that lost its entries is a slip.
  if (given !== undefined && isList(given.value) && entries.length === 0) {
    faults.add(given, 'at least one API key');
  }
  const keys: ReadApiKey[] = [];
  for (const entry of entries) {
    const read = readApiKey(entry, bounds, faults);
    if (read !== undefined) keys.push(read);
  }
  faultTwins(keys, faults);
  return keys.map(({ apiKey }) => apiKey);
}

/** Two clients of one id would own each other's tokens; of one secret only one would be found. */
function faultTwins(keys: readonly ReadApiKey[], faults: Faults): void {
  const ids = new Set<string>();
  const hashes = new Set<string>();
  for (const { apiKey, id, key } of keys) {
    const hash = apiKey.sha256.toString('hex');
    if (ids.has(apiKey.client.id)) faults.add(id, 'an id that no earlier API key has');
    if (hashes.has(hash)) faults.add(key, 'a secret that no earlier API key has');
    ids.add(apiKey.client.id);
    hashes.add(hash);
  }
}
