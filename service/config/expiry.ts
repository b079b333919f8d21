import type { Faults } from './fault.ts';
import type { Settings } from './names.ts';
import { readWhole } from './whole.ts';

/** Seconds. */
export interface Expiry {
  readonly expiresIn: number;
  readonly maxExpiresIn: number;
}

const DEFAULT = 120;
const DEFAULT_MAX = 3600;
const A_YEAR = 31_536_000;

/**
 * How long tokens live; undefined, with a fault, if a number is none. A default that is set above the
 * maximum is a fault, too; one that is not set gives way.
 */
export function readExpiry(settings: Settings, faults: Faults): Expiry | undefined {
  const given = settings.get('expires_in');
  const givenMax = settings.get('max_expires_in');
  const range = { unit: 'seconds', min: 1, max: A_YEAR };
  const maxExpiresIn = givenMax ? readWhole(givenMax, range, faults) : DEFAULT_MAX;
  const expiresIn = given ? readWhole(given, range, faults) : Math.min(DEFAULT, maxExpiresIn ?? 0);
  if (maxExpiresIn === undefined || expiresIn === undefined) return undefined;
  if (given !== undefined && expiresIn > maxExpiresIn) {
    faults.add(
      given,
      `at most ${maxExpiresIn} seconds, which is the maximum; or set ` +
        `${givenMax?.field ?? 'POSTERN_MAX_EXPIRES_IN'} to ${expiresIn}`,
    );
  }
  return { expiresIn, maxExpiresIn };
}
