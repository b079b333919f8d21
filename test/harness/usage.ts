import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

/** A process group, or several that count together. */
export type Group = number | readonly number[];

/**
 * CPU seconds that a process group has used: proc(5), utime and stime. `launch` starts each program in its
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

/** The fields from the third one on: the second is the program's name, which may contain spaces and ')'. */
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
