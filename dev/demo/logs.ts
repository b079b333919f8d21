import { open } from 'node:fs/promises';

/** A log that grows: what was added since a position. One character is one position. */
export type Log = (from: number) => Promise<string>;

export function logFile(file: string): Log {
  return async (from) => {
    const handle = await open(file);
    try {
      const { size } = await handle.stat();
      const { buffer } = await handle.read(Buffer.alloc(Math.max(0, size - from)), {
        position: from,
      });
      // One character for each byte.
      return buffer.toString('latin1');
    } finally {
      await handle.close();
    }
  };
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
