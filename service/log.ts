import { destination, type Logger, pino } from 'pino';

/**
 * Bytes gathered for one write, and the longest time in ms that a line waits for others. What a
 * reader that stopped reading leaves is kept up to `maxLength` bytes; then lines are dropped.
 */
const GATHER = { minLength: 4096, maxLength: 8 << 20, periodicFlush: 200, sync: false } as const;

/** JSON lines on standard output. Nothing logs a token, a key or a header as it came. */
export function createLog(level: string): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err },
    },
    destination({ dest: 1, ...GATHER }),
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

/** Writes what is gathered, before the process ends. False if nobody took it for `patienceMs`. */
export function flushLog(log: Logger, patienceMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const late = setTimeout(() => resolve(false), patienceMs);
    log.flush(() => {
      clearTimeout(late);
      resolve(true);
    });
  });
}
