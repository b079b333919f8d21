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

/** Each step once a round, in an order of chance, so that none always follows the same one. */
export async function inRounds<R>(
  steps: readonly Step<R>[],
  rounds: number,
  line: Progress,
): Promise<Rounds<R>> {
  const results: Record<string, R[]> = Object.fromEntries(steps.map(({ id }) => [id, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const step of shuffled(steps)) {
      line.begin(step.title, step.seconds);
      results[step.id]?.push(await step.run());
    }
  }
  return results;
}

export function secondsOf(steps: readonly Step<unknown>[], rounds: number): number {
  return steps.reduce((sum, { seconds }) => sum + seconds, 0) * rounds;
}
