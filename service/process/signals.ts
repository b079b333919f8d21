import type { Server } from 'node:http';
import type { Logger } from 'pino';
import { coalesce } from '../coalesce.ts';
import { drain } from './listen.ts';
import type { LogOutput } from './log.ts';

/** Node would start its debugger on a port. A listener prevents that. */
export function ignoreDebuggerSignal(process: NodeJS.Process): void {
  process.on('SIGUSR1', () => {});
}

/**
 * Calls `reload` after each SIGHUP or request, one call at a time. Those before `start` or during a call cause one
 * more, so that the last state of the files counts. Without a handler the signal would end the process.
 */
export function watchHangup(process: NodeJS.Process) {
  let reload: (() => Promise<void>) | undefined;
  let isRequested = false;
  const run = coalesce(async () => {
    if (!isRequested || reload === undefined) return;
    isRequested = false;
    await reload();
  });
  function request(): void {
    isRequested = true;
    void run();
  }
  process.on('SIGHUP', request);
  return {
    request,
    start(newReload: () => Promise<void>): void {
      reload = newReload;
      void run();
    },
    /** Further signals have no effect. */
    stop(): void {
      reload = undefined;
    },
  };
}

/**
 * Ends the process on an error that nothing catches: a reply that no Redis sends, or a bug. The text of an error may
 * quote a secret, so only those of Postern and of the language are logged.
 */
export function endOnError(process: NodeJS.Process, log: Logger): void {
  process.on('uncaughtException', (error: Error & { shown?: string }) => {
    const { name, message, stack = '', shown } = error;
    const isOfLanguage = error instanceof TypeError && !('code' in error);
    const reason = shown ?? (isOfLanguage ? `${name}: ${message}` : name);
    const at = /^ *at (.*)$/m.exec(stack)?.[1];
    log.fatal({ reason, at }, 'Postern ends because of an error that it cannot handle');
    process.exit(1);
  });
}

/** Time for requests in flight of the API, and then of the gate. A supervisor usually waits 10 s for the end. */
const DRAIN_MS = 3500;

/** The time for the last log lines, after that. */
const FLUSH_MS = 500;

interface Running {
  /** The gate is the first one. */
  readonly servers: readonly Server[];
  readonly stopSending: () => Promise<void>;
  readonly closeStore: () => Promise<void>;
  readonly log: Logger;
  readonly output: LogOutput;
  readonly hangup: ReturnType<typeof watchHangup>;
}

/** Ends the process on SIGTERM or SIGINT, after the requests in flight. */
export function endOnSignal(
  process: NodeJS.Process,
  { servers, stopSending, closeStore, log, output, hangup }: Running,
): void {
  let isEnding = false;
  async function end(signal: string): Promise<void> {
    if (isEnding) return;
    isEnding = true;
    hangup.stop();
    log.info({ signal }, 'stopping: requests in flight are finished');
    await drain(servers, DRAIN_MS, stopSending());
    await closeStore();
    log.info('stopped');
    const flushed = await output.flush(FLUSH_MS);
    process.off('exit', output.flushSync);
    if (flushed) process.exit(0);
    // Nobody reads the output, and process.exit would wait until it is written.
    process.kill(process.pid, 'SIGKILL');
  }
  process.on('SIGTERM', end);
  process.on('SIGINT', end);
}
