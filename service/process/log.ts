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

/**
 * Returns a function that logs an "allow" decision, with the line that pino would write. pino takes several times as
 * long to make it, and almost every line of a busy log is one of these. A line waits for others, so that one write
 * has many.
 */
export function createAllowLog(output: Pick<LogOutput, 'writeLater'>): (fields: object) => void {
  let now = 0;
  let time = '';
  return (fields) => {
    if (now !== Date.now()) {
      now = Date.now();
      time = new Date(now).toISOString();
    }
    const written = JSON.stringify(fields).slice(1, -1);
    output.writeLater(`{"level":"info","time":"${time}",${written},"msg":"decision"}\n`);
  };
}

const writeTo = promisify(write);

/** Lines that can wait are written at this size, or when one has waited this long. */
const WRITE_BYTES = 65_536;
const WRITE_AFTER_MS = 200;

/** Size of the buffer for lines that cannot be written. Further lines are dropped. */
const MAX_BUFFERED_BYTES = 8 << 20;

/** After an error: a full disk may have space again. */
const RETRY_MS = 200;

export type LogOutput = ReturnType<typeof createLogOutput>;

/**
 * A destination for pino. It writes lines to a file descriptor without blocking the event loop. pino's own destination
 * ends the process on an error such as ENOSPC, or tries to write indefinitely.
 */
export function createLogOutput(fd: number, onLost: () => void) {
  let gathered = '';
  /** Whether a gathered line must not wait. */
  let isUrgent = false;
  /** The data of the current or last write. */
  let chunk = Buffer.alloc(0);
  let isWriting = false;
  let timer: NodeJS.Timeout | undefined;

  const isDue = () => isUrgent || gathered.length >= WRITE_BYTES;

  function takeGathered(): void {
    chunk = Buffer.from(gathered);
    gathered = '';
    isUrgent = false;
  }

  const writeLines = coalesce(async () => {
    clearTimeout(timer);
    timer = undefined;
    do {
      if (chunk.length === 0) takeGathered();
      try {
        isWriting = true;
        chunk = chunk.subarray((await writeTo(fd, chunk)).bytesWritten);
      } catch (error) {
        const isFull = (error as NodeJS.ErrnoException).code === 'EAGAIN';
        return later(isFull ? RETRY_MS / 10 : RETRY_MS);
      } finally {
        isWriting = false;
      }
    } while (chunk.length > 0 || isDue());
    if (gathered !== '') later(WRITE_AFTER_MS);
  });

  function later(milliseconds: number): void {
    timer ??= setTimeout(writeLines, milliseconds).unref();
  }

  function gather(line: string, urgent: boolean): void {
    if (chunk.length + gathered.length + line.length > MAX_BUFFERED_BYTES) {
      onLost();
      return;
    }
    gathered += line;
    isUrgent ||= urgent;
    // After an error, the timer starts the next attempt, not each line.
    if (isDue() && chunk.length === 0) void writeLines();
    else if (!isWriting) later(WRITE_AFTER_MS);
  }

  return {
    /** Starts to write the line, and all lines before it. */
    write: (line: string) => gather(line, true),

    /** The line may wait. It is lost if the process is killed. */
    writeLater: (line: string) => gather(line, false),

    /** Tries to write the buffered lines. False if there is no result within `maxMs`. */
    flush: (maxMs: number) => Promise.race([writeLines().then(() => true), sleep(maxMs, false)]),

    /** Writes the buffered lines, as far as possible now. */
    flushSync(): void {
      try {
        for (;;) {
          if (chunk.length === 0) takeGathered();
          if (chunk.length === 0 || isWriting) return;
          chunk = chunk.subarray(writeSync(fd, chunk));
        }
      } catch {
        // The lines are lost: the process ends.
      }
    },
  };
}
