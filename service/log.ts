import { type Logger, pino } from 'pino';
import type { LogOutput } from './log-output.ts';

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
