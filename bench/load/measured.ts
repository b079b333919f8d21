import { cpuSeconds, type Group } from '../processes.ts';
import type { Load } from './wrk.ts';

export interface Measured extends Load {
  /** CPU microseconds per request, by process. */
  readonly cpu: Readonly<Record<string, number>>;
}

export type Groups = Readonly<Record<string, Group>>;

/** Runs a load, and measures the CPU time of each process group. */
export async function measured(groups: Groups, load: () => Promise<Load>): Promise<Measured> {
  const before = spent(groups);
  const done = await load();
  const after = spent(groups);
  const cpu = Object.keys(groups).map((name) => {
    return [name, (((after[name] ?? 0) - (before[name] ?? 0)) / done.requests) * 1e6];
  });
  return { ...done, cpu: Object.fromEntries(cpu) };
}

/** CPU seconds so far, by process. */
export function spent(groups: Groups): Record<string, number> {
  return Object.fromEntries(
    Object.entries(groups).map(([name, group]) => [name, cpuSeconds(group)]),
  );
}
