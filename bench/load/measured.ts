import { cpuSeconds, type Group } from '../processes.ts';
import type { Load } from './wrk.ts';

export interface Measured extends Load {
  /** CPU microseconds per request, by process. */
  readonly cpu: Readonly<Record<string, number>>;
}

export type Groups = Readonly<Record<string, Group>>;

/** Runs a load, and measures the CPU time of each process group. */
export async function measured(groups: Groups, load: () => Promise<Load>): Promise<Measured> {
  const { result, cpu } = await spending(groups, load);
  const each = Object.entries(cpu).map(([name, seconds]) => {
    return [name, (seconds / result.requests) * 1e6];
  });
  return { ...result, cpu: Object.fromEntries(each) };
}

/** Does some work. Returns its result, and the CPU seconds of each process group during it. */
export async function spending<R>(groups: Groups, work: () => Promise<R>) {
  const before = Object.entries(groups).map(
    ([name, group]) => [name, group, cpuSeconds(group)] as const,
  );
  const result = await work();
  const spent = before.map(([name, group, seconds]) => [name, cpuSeconds(group) - seconds]);
  const cpu: Readonly<Record<string, number>> = Object.fromEntries(spent);
  return { result, cpu };
}
