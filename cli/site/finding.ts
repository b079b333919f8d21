import type { Site } from './site.ts';

/**
 * `ok` and `fault` are what was seen; `skipped` was not asked for, or needs what this site does not
 * have; `untested` should have been seen and was not, so the gate is not proven.
 */
export type Verdict = 'ok' | 'fault' | 'skipped' | 'untested';

export interface Finding {
  readonly verdict: Verdict;
  /** For a person; never a token. */
  readonly saw: string;
  /** Instead of the check's own, where there is a closer one. */
  readonly why?: string;
  readonly fix?: string;
}

/** One line of the report. */
export interface Check {
  /** For scripts; stable. */
  readonly id: string;
  readonly title: string;
  /** What a fault lets happen. */
  readonly why: string;
  /** The directive that fixes it. */
  readonly fix: string;
  run(site: Site): Promise<Finding>;
}

export const ok = (saw: string): Finding => ({ verdict: 'ok', saw });
export const fault = (saw: string, more: { why?: string; fix?: string } = {}): Finding => ({
  verdict: 'fault',
  saw,
  ...more,
});
export const skipped = (saw: string): Finding => ({ verdict: 'skipped', saw });
export const untested = (saw: string): Finding => ({ verdict: 'untested', saw });
