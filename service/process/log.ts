import { write, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type Logger, pino } from 'pino';
import { coalesce } from '../coalesce.ts';

/** Logs JSON lines. Callers never log a token, a key, or an unfiltered header. */
export function createLog(level: string, output: LogOutput): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err },
    },
    output,
  );
}

/** An error without its other properties: a failed Redis command has its arguments, for AUTH the password. */
function err(error: Error): object {
  const { name: type, message, stack } = error;
  return { type, message, stack };
}

const writeTo = promisify(write);

/** Size of the buffer for lines that cannot be written. Further lines are dropped. */
const MAX_BUFFERED_BYTES = 8 << 20;

/** The pause after an error: a full disk may have space again. */
const RETRY_MS = 200;

export type LogOutput = ReturnType<typeof createLogOutput>;

/** A destination for pino that never blocks. pino's own ends the process on ENOSPC, or tries to write indefinitely. */
export function createLogOutput(fd: number, onLost: () => void) {
  let gathered = '';
  /** The data of the current or last write. */
  let chunk = Buffer.alloc(0);
  let isWriting = false;
  let isWaiting = false;

  function takeGathered(): void {
    chunk = Buffer.from(gathered);
    gathered = '';
  }

  const writeLines = coalesce(async () => {
    isWaiting = false;
    do {
      if (chunk.length === 0) takeGathered();
      try {
        isWriting = true;
        chunk = chunk.subarray((await writeTo(fd, chunk)).bytesWritten);
      } catch (error) {
        const isFull = (error as NodeJS.ErrnoException).code === 'EAGAIN';
        isWaiting = true;
        return void setTimeout(writeLines, isFull ? RETRY_MS / 10 : RETRY_MS).unref();
      } finally {
        isWriting = false;
      }
    } while (chunk.length > 0 || gathered !== '');
  });

  return {
    /** Starts to write the line, and all lines before it. After an error, they wait for the next attempt. */
    write(line: string): void {
      if (chunk.length + gathered.length + line.length > MAX_BUFFERED_BYTES) onLost();
      else gathered += line;
      if (!isWriting && !isWaiting) void writeLines();
    },

    /** Tries to write the buffered lines. False if there is no result within `maxMs`. */
    flush: (maxMs: number) => Promise.race([writeLines().then(() => true), sleep(maxMs, false)]),

    /** Writes the buffered lines, as far as possible now. */
    flushSync(): void {
      // The process ends only after the write in progress.
      if (isWriting) takeGathered();
      try {
        for (;;) {
          if (chunk.length === 0) takeGathered();
          if (chunk.length === 0) return;
          chunk = chunk.subarray(writeSync(fd, chunk));
        }
      } catch {
        // The lines are lost: the process ends.
      }
    },
  };
}
