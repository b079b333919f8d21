import { setTimeout as sleep } from 'node:timers/promises';

export interface WaitOptions {
  /** Completes "waiting for …" in the error. */
  what: string;
  /** Milliseconds. */
  deadline?: number;
}

/**
 * Calls the condition until the result is neither false nor undefined, and returns the result. Rejects
 * immediately if the condition throws. The deadline only guards against a hang.
 */
export async function waitFor<T>(
  condition: () => T | Promise<T>,
  { what, deadline = 60_000 }: WaitOptions,
): Promise<Exclude<T, false | undefined>> {
  const end = performance.now() + deadline;
  for (;;) {
    const answer = await condition();
    if (answer !== false && answer !== undefined) {
      return answer as Exclude<T, false | undefined>;
    }
    if (performance.now() > end) {
      throw new Error(`gave up after ${deadline / 1000} s of waiting for ${what}`);
    }
    await sleep(10);
  }
}
