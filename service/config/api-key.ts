import type { ApiKey } from '../domain/api-key.ts';
import type { Mount } from '../domain/mount.ts';
import { readEntry } from './entry.ts';
import type { Faults } from './fault.ts';
import { absent, type Given } from './given.ts';
import { API_KEY_FIELDS } from './names.ts';
import { readPaths, readTargets } from './scopes.ts';
import { parseHash, parseSecret } from './secret.ts';
import { readWhole } from './whole.ts';

/** What the limits of a client are held against; absent where that is itself at fault. */
export interface Bounds {
  readonly mounts: readonly Mount[] | undefined;
  /** Seconds. */
  readonly maxExpiresIn: number | undefined;
  /** Seconds. */
  readonly maxResumeFor: number | undefined;
}

/** A key, and where its parts were given. */
export interface ReadApiKey {
  readonly apiKey: ApiKey;
  readonly id: Given;
  readonly key: Given;
}

/** `sha256` is no id: who writes `sha256:<64 hex>` left the id out. */
const ID = /^(?!sha256$)[A-Za-z0-9._-]{1,64}$/i;

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

  const { mounts } = bounds;
  const givenPaths = fields.get('paths');
  const paths = givenPaths && readPaths(givenPaths, mounts, faults);
  const targets = readTargets(fields.get('targets'), mounts, faults);
  const expiry = { min: 1, general: bounds.maxExpiresIn };
  const maxExpiresIn = readMaximum(fields.get('max_expires_in'), expiry, faults);
  const resume = { min: 0, general: bounds.maxResumeFor };
  const maxResumeFor = readMaximum(fields.get('max_resume_for'), resume, faults);

  if (!givenId || !givenKey || !id || !sha256) return undefined;
  if (maxExpiresIn === undefined || maxResumeFor === undefined) return undefined;
  const limits = { ...(paths !== undefined && { paths }), targets, maxExpiresIn, maxResumeFor };
  return { apiKey: { sha256, client: { id, ...limits } }, id: givenId, key: givenKey };
}

/** A client's own maximum, in seconds: not above the general one, which it is by default. */
function readMaximum(
  given: Given | undefined,
  { min, general = Number.MAX_SAFE_INTEGER }: { min: number; general: number | undefined },
  faults: Faults,
): number | undefined {
  return given ? readWhole(given, { unit: 'seconds', min, max: general }, faults) : general;
}

function readId(given: Given, faults: Faults): string | undefined {
  if (typeof given.value === 'string' && ID.test(given.value)) return given.value;
  return faults.add(given, 'an id of 1 to 64 letters, digits or . _ -, such as web');
}

function readKey(given: Given, inFile: boolean, faults: Faults): Buffer | undefined {
  const text = typeof given.value === 'string' ? given.value : '';
  const sha256 = inFile ? parseHash(text) : parseSecret(text);
  return sha256 ?? faults.add(given, inFile ? FROM_FILE : FROM_ENVIRONMENT);
}
