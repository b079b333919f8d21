import type { ApiKey } from '../domain/client.ts';
import { readEntry } from './entry.ts';
import type { Faults } from './fault.ts';
import { absent, type Given } from './given.ts';
import { readId } from './id.ts';
import { type Bounds, readLimits } from './limits.ts';
import { API_KEY_FIELDS } from './names.ts';
import { parseHash, parseSecret } from './secret.ts';

/** A key, and where its parts were given. */
export interface ReadApiKey {
  readonly apiKey: ApiKey;
  readonly id: Given;
  readonly key: Given;
}

const FROM_FILE =
  'sha256: and 64 hex digits: a file holds no key, only its hash. ' +
  'To make it: printf %s "$KEY" | sha256sum';
const FROM_ENVIRONMENT =
  'after the colon a secret of at least 16 ASCII characters without spaces and commas, ' +
  'as openssl rand -hex 24 makes one; or its hash, sha256: and 64 hex digits';

export function readApiKey(entry: Given, bounds: Bounds, faults: Faults): ReadApiKey | undefined {
  const fields = readEntry(entry, API_KEY_FIELDS, faults);
  if (fields === undefined) return undefined;
  const inFile = entry.where !== undefined;
  const givenId = fields.get('id');
  const givenKey = fields.get('key');
  const id = readId(givenId ?? { ...absent(entry, 'id'), value: null }, faults);
  const sha256 = readKey(givenKey ?? { ...absent(entry, 'key'), value: null }, inFile, faults);

  const limits = readLimits(fields, bounds, faults);
  if (!givenId || !givenKey || !id || !sha256 || !limits) return undefined;
  return { apiKey: { sha256, client: { id, ...limits } }, id: givenId, key: givenKey };
}

function readKey(given: Given, inFile: boolean, faults: Faults): Buffer | undefined {
  const text = typeof given.value === 'string' ? given.value : '';
  const sha256 = inFile ? parseHash(text) : parseSecret(text);
  return sha256 ?? faults.add(given, inFile ? FROM_FILE : FROM_ENVIRONMENT);
}
