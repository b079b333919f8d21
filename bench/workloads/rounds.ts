import type { Progress } from '../progress.ts';
import { shuffled } from '../stats.ts';

/** One thing to measure, from cold. */
export interface Step<R> {
  readonly id: string;
  readonly title: string;
  /** About how long it takes; for the time left. */
  readonly seconds: number;
  run(): Promise<R>;
}

/** What was measured, by the step's id, in the order of the rounds. */
export type Rounds<R> = Readonly<Record<string, readonly R[]>>;

export interface Failure {
  /** The step's. */
  readonly title: string;
  readonly reason: string;
}

export interface Measurements<R> {
  readonly rounds: Rounds<R>;
  readonly failed: readonly Failure[];
}

/**
 * Measures each step once a round, in random order, so that none always follows the same one. A step
 * that fails is not measured again, and has no results: ratios need a figure of every round.
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
