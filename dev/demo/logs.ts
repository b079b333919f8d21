import { readFile } from 'node:fs/promises';

/** A log that grows: what was added since a position. One character is one position. */
export type Log = (from: number) => Promise<string>;

/** One character for each byte. */
export function logFile(file: string): Log {
  return async (from) => (await readFile(file, 'latin1')).slice(from);
}

/** The lines that are complete since the last call. The first call starts at the end of the log. */
export async function createTail(log: Log): Promise<() => Promise<string[]>> {
  let at = (await log(0)).length;
  return async () => {
    const added = await log(at);
    const end = added.lastIndexOf('\n') + 1;
    at += end;
    return added.slice(0, end).split('\n').filter(Boolean);
  };
}
