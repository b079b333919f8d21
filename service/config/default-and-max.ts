import type { Faults } from './fault.ts';
import { type Settings, variableOf } from './names.ts';
import { readWhole } from './whole.ts';

/** Seconds. */
export interface DefaultAndMax {
  /** Where a request does not say. */
  readonly preset: number;
  /** The most that a request may ask for. */
  readonly max: number;
}

export interface DefaultAndMaxOptions extends DefaultAndMax {
  /** The default's; its maximum is the same with `max_` before it. */
  readonly setting: 'expires_in' | 'resume_for';
  readonly min: number;
}

const A_YEAR = 31_536_000;

/**
 * A time that a request may name, by default and at most; undefined, with a fault, if a number is
 * none. A default that is set above the maximum is a fault, too; one that is not set gives way.
 */
export function readDefaultAndMax(
  settings: Settings,
  options: DefaultAndMaxOptions,
  faults: Faults,
): DefaultAndMax | undefined {
  const maxSetting = `max_${options.setting}` as const;
  const given = settings.get(options.setting);
  const givenMax = settings.get(maxSetting);
  const range = { unit: 'seconds', min: options.min, max: A_YEAR };
  const max = givenMax ? readWhole(givenMax, range, faults) : options.max;
  const preset = given ? readWhole(given, range, faults) : Math.min(options.preset, max ?? 0);
  if (max === undefined || preset === undefined) return undefined;
  if (given !== undefined && preset > max) {
    faults.add(
      given,
      `at most ${max} seconds, which is the maximum; or set ` +
        `${givenMax?.field ?? variableOf(maxSetting)} to ${preset}`,
    );
  }
  return { preset, max };
}
