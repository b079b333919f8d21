import type { Server } from 'node:http';
import { Server as NetServer } from 'node:net';
import type { Logger } from 'pino';
import { ConfigError } from '../config/errors.ts';
import { KeyFilesError } from '../jwt/jwt.ts';
import { CannotListen } from './listen.ts';
import type { LogOutput } from './log.ts';

// What ends the process, and its exit status: 0 after SIGTERM or SIGINT, 1 after an error, 2 if the configuration or a
// file of keys is invalid. SIGKILL ends a process whose last lines nobody reads.
const FAILED = 1;
const MISCONFIGURED = 2;

export function endAtStart(process: NodeJS.Process, error: unknown): void {
  const misconfigured = error instanceof ConfigError || error instanceof KeyFilesError;
  const known = misconfigured || error instanceof CannotListen;
  process.stderr.write(`${known ? error.message : (error as Error).stack}\n`);
  process.exit(misconfigured ? MISCONFIGURED : FAILED);
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
    process.exit(FAILED);
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
  /** Further signals reload nothing. */
  readonly stopReloading: () => void;
}

/** Ends the process on SIGTERM or SIGINT, after the requests in flight. */
export function endOnSignal(
  process: NodeJS.Process,
  { servers, stopSending, closeStore, log, output, stopReloading }: Running,
): void {
  let isEnding = false;
  async function end(signal: string): Promise<void> {
    if (isEnding) return;
    isEnding = true;
    stopReloading();
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

/**
 * How long requests are still accepted, with `Connection: close`, before idle connections are closed: nginx may have sent
 * one before it sees the end. An incomplete request gets 408 after this time.
 */
const LAST_MS = 500;

/**
 * Ends servers, within `maxMs` each, when the requests in flight are answered. The first one, the gate, listens until all
 * others and `before` have ended: without a gate, each download waits for the next process.
 */
export async function drain(servers: readonly Server[], maxMs: number, before?: Promise<void>) {
  for (const server of servers) {
    server.prependListener('request', (_, response) => {
      response.shouldKeepAlive = false;
    });
    Object.assign(server, { headersTimeout: LAST_MS, requestTimeout: LAST_MS });
  }
  await new Promise((resolve) => setTimeout(resolve, Math.min(LAST_MS, maxMs)));
  async function end(server: Server): Promise<void> {
    // The `close` of node:http would stop the check of incomplete requests.
    const closed = new Promise((resolve) => NetServer.prototype.close.call(server, resolve));
    server.closeIdleConnections();
    // A connection becomes idle only when its response is sent.
    const idle = setInterval(() => server.closeIdleConnections(), 20);
    const late = setTimeout(() => server.closeAllConnections(), maxMs);
    await closed;
    clearInterval(idle);
    clearTimeout(late);
  }
  await Promise.all([before, ...servers.slice(1).map(end)]);
  await Promise.all(servers.slice(0, 1).map(end));
}
