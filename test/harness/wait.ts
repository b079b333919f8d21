import { setTimeout as sleep } from 'node:timers/promises';

export interface WaitOptions {
  /** Completes "waiting for …" in the error. */
  what: string;
  /** What there is instead, for the error; by default, the last result. */
  saw?: () => unknown;
  /** Milliseconds. */
  deadline?: number;
}

/** How much of a log an error shows, from its end. */
const MAX_SHOWN = 4_000;

/** What each running program has printed, for errors. */
export const programs = new Set<() => string>();

/**
 * Calls the condition until the result is neither false nor undefined, and returns the result. Rejects
 * immediately if the condition throws. The deadline only guards against a hang. If there is only `false` to show, the
 * error shows the source of the condition, and what the running programs printed. In a test, `expect.poll` shows more.
 */
export async function waitFor<T>(
  condition: () => T | Promise<T>,
  { what, saw, deadline = 60_000 }: WaitOptions,
): Promise<Exclude<T, false | undefined>> {
  const end = performance.now() + deadline;
  for (;;) {
    const answer = await condition();
    if (answer !== false && answer !== undefined) {
      return answer as Exclude<T, false | undefined>;
    }
    if (performance.now() > end) {
      const seen = saw === undefined ? `${answer} for ${condition}` : await saw();
      const text = typeof seen === 'string' ? seen.slice(-MAX_SHOWN) : JSON.stringify(seen);
      const wait = `gave up after ${deadline / 1000} s of waiting for ${what}`;
      const printed = saw === undefined ? [...programs].map((of) => of().slice(-MAX_SHOWN)) : [];
      throw new Error([`${wait}. Instead: ${text || 'nothing'}`, ...printed].join('\n'));
    }
    await sleep(10);
  }
}
