import type { Scope } from '../domain/client.ts';
import { readEntry, readList } from './entry.ts';
import type { Faults } from './fault.ts';
import { absent, type Given, isList } from './given.ts';
import { readId } from './id.ts';
import { readName } from './jwt.ts';
import { type KeyPlace, readKeyPlace } from './key-place.ts';
import { type Bounds, readLimits } from './limits.ts';
import { ISSUER_FIELDS } from './names.ts';

const PURPOSES = ['downloads', 'clients'] as const;
const ALGORITHMS = ['EdDSA', 'ES256', 'RS256'] as const;

/** Someone else whose JWTs are trusted. */
export interface TrustedIssuer {
  /** Ours for it; no other issuer and no API key has the same. */
  readonly id: string;
  /** Exactly what stands as `iss`. */
  readonly issuer: string;
  readonly keys: KeyPlace;
  /** Exactly what stands as `aud`. */
  readonly audience: string;
  /** `downloads`: it signs download tokens itself. `clients`: its JWTs may call the API. */
  readonly trustedFor: (typeof PURPOSES)[number];
  readonly algorithms: ReadonlyArray<(typeof ALGORITHMS)[number]>;
  /** Of `clients` with claims as whole segments, in braces: `/download/users/{sub}/`. */
  readonly paths: readonly Scope[];
  readonly targets: readonly string[];
  /** Seconds. */
  readonly maxExpiresIn: number;
  /** Seconds. */
  readonly maxResumeFor: number;
  /** Of `downloads`: the id of the API key that may revoke its tokens. */
  readonly client?: string;
}

/** An issuer, and where its parts were given. */
export interface ReadIssuer {
  readonly trusted: TrustedIssuer;
  readonly id: Given;
  readonly issuer: Given;
  readonly client: Given | undefined;
}

/** One issuer. Undefined, with faults, if it is not clear whose JWTs open what. */
export function readIssuer(entry: Given, bounds: Bounds, faults: Faults): ReadIssuer | undefined {
  const fields = readEntry(entry, ISSUER_FIELDS, faults);
  if (fields === undefined) return undefined;
  const field = (key: string): Given => fields.get(key) ?? { ...absent(entry, key), value: null };
  const id = readId(field('id'), faults);
  const issuer = readName(field('issuer'), 'exactly what stands as iss in its JWTs', faults);
  const keys = readKeyPlace(entry, fields, faults);
  const audience = readName(field('audience'), 'exactly what stands as aud in its JWTs', faults);
  const trustedFor = readPurpose(field('trusted_for'), faults);
  const algorithms = readAlgorithms(fields.get('algorithms'), faults);
  // Claims are let pass where it is not known what they would be for.
  const limits = readLimits(fields, bounds, faults, { claims: trustedFor !== 'downloads' });
  if (!fields.has('paths')) faults.add(absent(entry, 'paths'), NO_PATHS);
  const client = readClient(fields.get('client'), trustedFor, faults);

  if (!id || !issuer || !keys || !audience || !trustedFor || !limits?.paths) return undefined;
  const { paths } = limits;
  const named = { id, issuer, keys, audience, trustedFor, algorithms };
  return {
    trusted: { ...named, ...limits, paths, ...(client !== undefined && { client }) },
    id: field('id'),
    issuer: field('issuer'),
    client: fields.get('client'),
  };
}

const NO_PATHS =
  'the public prefixes that its JWTs may be for, such as [/download/]: without them, all were open';

function readPurpose(given: Given, faults: Faults): TrustedIssuer['trustedFor'] | undefined {
  const purpose = PURPOSES.find((known) => known === given.value);
  return (
    purpose ??
    faults.add(given, 'downloads, if it signs download tokens, or clients, if it calls the API')
  );
}

function readAlgorithms(given: Given | undefined, faults: Faults): TrustedIssuer['algorithms'] {
  if (given === undefined) return ALGORITHMS;
  const entries = readList(given, 'algorithms', faults);
  if (isList(given.value) && entries.length === 0) faults.add(given, 'at least one algorithm');
  const algorithms = new Set<(typeof ALGORITHMS)[number]>();
  for (const entry of entries) {
    const algorithm = ALGORITHMS.find((known) => known === entry.value);
    if (algorithm === undefined) faults.add(entry, `one of ${ALGORITHMS.join(', ')}`);
    else algorithms.add(algorithm);
  }
  return [...algorithms];
}

function readClient(
  given: Given | undefined,
  trustedFor: TrustedIssuer['trustedFor'] | undefined,
  faults: Faults,
): string | undefined {
  if (given === undefined) return undefined;
  if (trustedFor === 'clients') {
    return faults.add(given, 'no such key: each client owns the tokens that it asked for');
  }
  return readId(given, faults);
}
