import type { Server } from 'node:http';
import type { Logger } from 'pino';
import type { Store } from './domain/store.ts';
import type { Jwt } from './jwt/open.ts';
import { drain } from './listen.ts';
import type { LogOutput } from './log.ts';

/** Node would start its debugger on a port. A listener prevents that. */
export function ignoreDebuggerSignal(process: NodeJS.Process): void {
  process.on('SIGUSR1', () => {});
}

/** Reloads the keys for JWTs on SIGHUP. Without a handler the signal would end the process. */
export function reloadOnHangup(process: NodeJS.Process, jwt: Jwt, log: Logger): void {
  const notSet = 'SIGHUP: the keys for JWTs were not read: POSTERN_JWT_KEYS is not set';
  process.on('SIGHUP', () => {
    jwt.reload().then(
      (reloaded) => log.info(reloaded ? 'the keys for JWTs were reloaded' : notSet),
      ({ message: reason }: Error) => log.error({ reason }, 'the keys for JWTs were not reloaded'),
    );
  });
}

/** Time for requests in flight. A supervisor usually waits 10 s for the end. */
const DRAIN_MS = 4000;

/** Then, time for the last log lines. */
const FLUSH_MS = 500;

interface Running {
  readonly servers: readonly Server[];
  readonly store: Store;
  readonly log: Logger;
  readonly output: LogOutput;
}

/** Ends the process on SIGTERM or SIGINT, after the requests in flight. */
export function endOnSignal(
  process: NodeJS.Process,
  { servers, store, log, output }: Running,
): void {
  let isEnding = false;
  async function end(signal: string): Promise<void> {
    if (isEnding) return;
    isEnding = true;
    log.info({ signal }, 'ending: no new requests, those in flight are answered');
    await drain(servers, DRAIN_MS);
    await store.close();
    log.info('ended');
    const flushed = await output.flush(FLUSH_MS);
    process.off('exit', output.flushSync);
    if (flushed) process.exit(0);
    // Nobody reads the output, and process.exit would wait until it is written.
    process.kill(process.pid, 'SIGKILL');
  }
  process.on('SIGTERM', end);
  process.on('SIGINT', end);
}
