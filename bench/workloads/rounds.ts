import type { Progress } from '../progress.ts';
import { shuffled } from '../stats.ts';

/** One measurement, from a cold start. */
export interface Step<R> {
  readonly id: string;
  readonly title: string;
  /** Approximate duration, to show the remaining time. */
  readonly seconds: number;
  run(): Promise<R>;
}

/** Results by the ID of the step, in the order of the rounds. */
export type Rounds<R> = Readonly<Record<string, readonly R[]>>;

export interface Failure {
  /** The title of the step. */
  readonly title: string;
  readonly reason: string;
}

export interface Measurements<R> {
  readonly rounds: Rounds<R>;
  readonly failed: readonly Failure[];
}

/**
 * Measures each step once per round, in random order, so that no step always follows the same one. A
 * step that fails is not measured again and has no results: ratios need a result of each round.
 */
export async function inRounds<R>(
  steps: readonly Step<R>[],
  rounds: number,
  line: Progress,
): Promise<Measurements<R>> {
  const failed: Failure[] = [];
  const results: Record<string, R[]> = Object.fromEntries(steps.map(({ id }) => [id, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const { id, title, seconds, run } of shuffled(steps.filter(({ id }) => id in results))) {
      line.begin(title, seconds);
      try {
        results[id]?.push(await run());
      } catch (error) {
        failed.push({ title, reason: (error as Error).message });
        delete results[id];
      }
    }
  }
  return { rounds: results, failed };
}

export function secondsOf(steps: readonly Step<unknown>[], rounds: number): number {
  return steps.reduce((sum, { seconds }) => sum + seconds, 0) * rounds;
}
