import { write, writeSync } from 'node:fs';
import { type Logger, pino } from 'pino';

/** JSON lines. Nothing logs a token, a key or a header as it came. */
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

/**
 * An error without what hangs on it: a failed Redis command carries its arguments, and those of
 * AUTH are the password.
 */
function err(error: Error): object {
  const { name: type, message, stack } = error;
  return { type, message, stack };
}

/** Tries to write what is kept, before the process ends. False if there is no result for `patienceMs`. */
export function flushLog(output: LogOutput, patienceMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const late = setTimeout(() => resolve(false), patienceMs);
    output.flush(() => {
      clearTimeout(late);
      resolve(true);
    });
  });
}

/** Bytes that are gathered for one write, and the longest time in ms that a line waits for others. */
const GATHER_BYTES = 4096;
const GATHER_MS = 200;

/** Kept while nothing can be written. Lines beyond that are lost. */
const MAX_KEPT_BYTES = 8 << 20;

/** After an error. A disk that is full may have room again. */
const RETRY_MS = 200;

/** Where log lines go: what pino needs of a stream, and `flushSync` for the end of the process. */
export interface LogOutput {
  write(line: string): void;
  /** Writes what is kept, and reports when that is done or has failed. */
  flush(done: (error?: Error) => void): void;
  /** Writes what is kept and not being written, as far as that is possible now. */
  flushSync(): void;
}

/**
 * Writes lines to a file descriptor without blocking the event loop. pino's own destination ends the
 * process on an error such as ENOSPC, and then tries to write indefinitely.
 */
export function createLogOutput(fd: number, onLost: () => void): LogOutput {
  let gathered = '';
  /** Of the write that is under way, or was tried last. */
  let chunk = Buffer.alloc(0);
  let isWriting = false;
  let timer: NodeJS.Timeout | undefined;
  let flushed: Array<(error?: Error) => void> = [];

  function later(milliseconds: number): void {
    timer ??= setTimeout(writeNow, milliseconds).unref();
  }

  function writeNow(): void {
    if (isWriting) return;
    clearTimeout(timer);
    timer = undefined;
    if (chunk.length === 0) takeGathered();
    if (chunk.length === 0) {
      report();
      return;
    }
    isWriting = true;
    write(fd, chunk, (error, written) => {
      isWriting = false;
      if (error) {
        later(error.code === 'EAGAIN' ? RETRY_MS / 10 : RETRY_MS);
        report(error);
        return;
      }
      chunk = chunk.subarray(written);
      const isMuch = gathered.length >= GATHER_BYTES || flushed.length > 0;
      if (chunk.length > 0 || isMuch) writeNow();
      else if (gathered !== '') later(GATHER_MS);
    });
  }

  function takeGathered(): void {
    chunk = Buffer.from(gathered);
    gathered = '';
  }

  function report(error?: Error): void {
    const waiting = flushed;
    flushed = [];
    for (const done of waiting) done(error);
  }

  return {
    write(line) {
      if (chunk.length + gathered.length + line.length > MAX_KEPT_BYTES) {
        onLost();
        return;
      }
      gathered += line;
      // After an error the timer is set: it is tried again then, and not for each line.
      if (gathered.length >= GATHER_BYTES && chunk.length === 0) writeNow();
      else if (!isWriting) later(GATHER_MS);
    },

    flush(done) {
      flushed.push(done);
      writeNow();
    },

    flushSync() {
      try {
        for (;;) {
          if (chunk.length === 0) takeGathered();
          if (chunk.length === 0 || isWriting) return;
          chunk = chunk.subarray(writeSync(fd, chunk));
        }
      } catch {
        // It cannot be written, and there is no later.
      }
    },
  };
}
