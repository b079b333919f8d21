import type { Faults } from './fault.ts';
import type { Given } from './given.ts';

export interface WholeOptions {
  /** What it counts: `seconds`. */
  readonly unit: string;
  readonly min: number;
  readonly max: number;
}

/** A whole number, in a file also one in quotes. */
export function readWhole(
  given: Given,
  { unit, min, max }: WholeOptions,
  faults: Faults,
): number | undefined {
  const text = typeof given.value === 'number' ? String(given.value) : given.value;
  const number = typeof text === 'string' && /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= min && number <= max) return number;
  return faults.add(given, `a whole number of ${unit}, from ${min} to ${max}`);
}
