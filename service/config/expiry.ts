import { readDefaultAndMax } from './default-and-max.ts';
import type { Faults } from './fault.ts';
import type { Settings } from './names.ts';

/** Seconds. */
export interface Expiry {
  readonly expiresIn: number;
  readonly maxExpiresIn: number;
}

const OPTIONS = { setting: 'expires_in', min: 1, preset: 120, max: 3600 } as const;

/** How long tokens live; undefined, with a fault, if a number is none. */
export function readExpiry(settings: Settings, faults: Faults): Expiry | undefined {
  const read = readDefaultAndMax(settings, OPTIONS, faults);
  return read && { expiresIn: read.preset, maxExpiresIn: read.max };
}
