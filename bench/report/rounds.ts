import { median, ratio, type Spread, spread } from '../stats.ts';
import type { Rounds } from '../workloads/rounds.ts';

/** One figure of each round of a variant. Empty if it was not measured. */
export function figures<R>(
  rounds: Rounds<R>,
  id: string,
  figure: (measured: R) => number | undefined,
): number[] {
  return (rounds[id] ?? []).map(figure).filter((value) => value !== undefined);
}

export function medianOf(values: readonly number[]): number | undefined {
  return values.length === 0 ? undefined : median(values);
}

export function spreadOf(values: readonly number[]): Spread | undefined {
  return values.length === 0 ? undefined : spread(values);
}

/** Undefined if one of them was not measured. */
export function ratioOf(values: readonly number[], base: readonly number[]): number | undefined {
  return values.length === 0 || base.length === 0 ? undefined : ratio(values, base);
}

export const shown = (value: number | undefined, digits = 2) => value?.toFixed(digits) ?? '–';
