/** One measurement, from a cold start. */
export interface Step<R> {
  readonly id: string;
  readonly title: string;
  run(): Promise<R>;
}

/** Results by the ID of the step, in the order of the rounds. */
export type Rounds<R> = Readonly<Record<string, readonly R[]>>;

export interface Failure {
  readonly title: string;
  readonly reason: string;
}

/**
 * Measures each step once per round, in random order, so that no step always follows the same one. A
 * step that fails is not measured again and has no results: ratios need a result of each round.
 */
export async function inRounds<R>(
  steps: readonly Step<R>[],
  rounds: number,
  begin: (what: string) => void,
): Promise<{ readonly rounds: Rounds<R>; readonly failed: readonly Failure[] }> {
  const failed: Failure[] = [];
  const results: Record<string, R[]> = Object.fromEntries(steps.map(({ id }) => [id, []]));
  for (let round = 1; round <= rounds; round += 1) {
    const left = steps.filter(({ id }) => id in results);
    const drawn = left.map((step) => ({ ...step, at: Math.random() })).sort((a, b) => a.at - b.at);
    for (const { id, title, run } of drawn) {
      begin(`round ${round} of ${rounds}: ${title}`);
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

/** One figure of each round. Empty if it was not measured. */
export function figures<R>(
  rounds: Rounds<R>,
  id: string,
  figure: (measured: R) => number | undefined,
): number[] {
  return (rounds[id] ?? []).map(figure).filter((value) => value !== undefined);
}

/** The middle value, or the mean of the two middle values. Undefined if there are none. */
export function median(values: readonly number[]): number | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  const [lower, upper] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  return lower === undefined || upper === undefined ? undefined : (lower + upper) / 2;
}

/**
 * The ratio of each round, because the speed of the machine varies between rounds. Empty if one of them was not
 * measured.
 */
export function ratios(values: readonly number[], base: readonly number[]): number[] {
  if (values.length === 0 || base.length === 0) return [];
  if (values.length !== base.length) throw new TypeError('both must have as many rounds');
  return values.map((value, round) => value / (base[round] as number));
}
