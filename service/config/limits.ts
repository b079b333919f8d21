import type { Scope } from '../domain/client.ts';
import type { Mount } from '../domain/mount.ts';
import type { Faults } from './fault.ts';
import type { Given } from './given.ts';
import { type PathRules, readPaths, readTargets } from './scopes.ts';
import { readWhole } from './whole.ts';

/** What the limits of a client are held against; absent where that is itself at fault. */
export interface Bounds {
  readonly mounts: readonly Mount[] | undefined;
  /** Seconds. */
  readonly maxExpiresIn: number | undefined;
  /** Seconds. */
  readonly maxResumeFor: number | undefined;
}

/** How far a client may go. */
export interface Limits {
  /** Absent: every mount. */
  readonly paths?: readonly Scope[];
  readonly targets: readonly string[];
  /** Seconds. */
  readonly maxExpiresIn: number;
  /** Seconds. */
  readonly maxResumeFor: number;
}

/** The limits in an entry of API keys or issuers; undefined, with a fault, if a maximum is none. */
export function readLimits(
  fields: ReadonlyMap<string, Given>,
  { mounts, maxExpiresIn: mostExpiresIn, maxResumeFor: mostResumeFor }: Bounds,
  faults: Faults,
  rules?: PathRules,
): Limits | undefined {
  const givenPaths = fields.get('paths');
  const paths = givenPaths && readPaths(givenPaths, mounts, faults, rules);
  const targets = readTargets(fields.get('targets'), mounts, faults);
  const expiry = { min: 1, general: mostExpiresIn };
  const maxExpiresIn = readMaximum(fields.get('max_expires_in'), expiry, faults);
  const resume = { min: 0, general: mostResumeFor };
  const maxResumeFor = readMaximum(fields.get('max_resume_for'), resume, faults);
  if (maxExpiresIn === undefined || maxResumeFor === undefined) return undefined;
  return { ...(paths !== undefined && { paths }), targets, maxExpiresIn, maxResumeFor };
}

/** A client's own maximum, in seconds: not above the general one, which it is by default. */
function readMaximum(
  given: Given | undefined,
  { min, general = Number.MAX_SAFE_INTEGER }: { min: number; general: number | undefined },
  faults: Faults,
): number | undefined {
  return given ? readWhole(given, { unit: 'seconds', min, max: general }, faults) : general;
}
