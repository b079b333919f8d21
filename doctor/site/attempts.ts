import type { Request } from './http.ts';

/**
 * `ok` and `failed`: the check ran. `skipped`: not requested, or this site lacks what the check needs.
 * `untested`: the check could not finish, so the result proves nothing.
 */
export type Verdict = 'ok' | 'failed' | 'skipped' | 'untested';

export interface CheckResult {
  readonly verdict: Verdict;
  /** The result for a person, without tokens. */
  readonly saw: string;
  /** Replaces the text of the check, if a more specific one is known. */
  readonly why?: string;
  readonly fix?: string;
}

export const ok = (saw: string): CheckResult => ({ verdict: 'ok', saw });
export const failed = (saw: string, more: { why?: string; fix?: string } = {}): CheckResult => ({
  verdict: 'failed',
  saw,
  ...more,
});
export const skipped = (saw: string): CheckResult => ({ verdict: 'skipped', saw });
export const untested = (saw: string): CheckResult => ({ verdict: 'untested', saw });

/** Requests that must not succeed, by their names in the report. */
export type Attempts = Readonly<Record<string, Request>>;

export const NO_FOLDER_TOKENS = 'the key may not issue tokens for folders';
