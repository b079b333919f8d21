import type { Site } from './site.ts';

/**
 * `ok` and `fault`: the check ran. `skipped`: not requested, or this site lacks what the check needs.
 * `untested`: the check could not finish, so the result proves nothing.
 */
export type Verdict = 'ok' | 'fault' | 'skipped' | 'untested';

export interface Finding {
  readonly verdict: Verdict;
  /** For a person; never a token. */
  readonly saw: string;
  /** Replaces the text of the check, if a more specific one is known. */
  readonly why?: string;
  readonly fix?: string;
}

/** One line of the report. */
export interface Check {
  /** For scripts; stable. */
  readonly id: string;
  readonly title: string;
  /** What an attacker can do. */
  readonly why: string;
  /** The directive that fixes it, or what to change. */
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
