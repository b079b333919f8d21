import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import type { Load } from './load/wrk.ts';

const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

/** A process group, or several that count together. */
export type Group = number | readonly number[];

/**
 * CPU seconds that a process group has used: proc(5), utime and stime. The harness starts each program in its
 * own group, so nginx's workers count with their master.
 */
export function cpuSeconds(group: Group): number {
  const ticks = inGroup(group).map((pid) => {
    const fields = stat(pid);
    return Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
  });
  return sum(ticks) / ticksPerSecond;
}

/** Resident bytes of all processes of the group. Shared memory counts in each process. */
export const residentBytes = (group: Group) => memory(group, 'VmRSS');

/** The sum of the peaks of all processes of the group. */
export const peakBytes = (group: Group) => memory(group, 'VmHWM');

function memory(group: Group, field: string): number {
  const line = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm');
  return sum(inGroup(group).map((pid) => Number(line.exec(read(pid, 'status'))?.[1] ?? 0) * 1024));
}

function inGroup(group: Group): string[] {
  const groups = [group].flat();
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.filter((pid) => groups.includes(Number(stat(pid)[2])));
}

/** From the third field on: the second is the program's name, which may contain spaces and ')'. */
function stat(pid: string): string[] {
  const text = read(pid, 'stat');
  return text.slice(text.lastIndexOf(')') + 2).split(' ');
}

function read(pid: string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1');
  } catch {
    return ''; // The process has ended.
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

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
  const now = () =>
    Object.entries(groups).map(([name, group]) => [name, cpuSeconds(group)] as const);
  const before = new Map(now());
  const result = await work();
  const spent = now().map(([name, seconds]) => [name, seconds - (before.get(name) ?? 0)]);
  const cpu: Readonly<Record<string, number>> = Object.fromEntries(spent);
  return { result, cpu };
}
