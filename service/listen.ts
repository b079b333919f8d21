import { existsSync } from 'node:fs';
import { lstat, unlink } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import { connect, Server as NetServer } from 'node:net';
import { dirname } from 'node:path';
import type { Listen } from './config/values.ts';

/**
 * Longer than nginx keeps an idle connection to an upstream (60 s by default), so that nginx is
 * the one that closes and never sends a request into a connection that is just being closed.
 */
const KEEP_ALIVE_MS = 75_000;

/** More than nginx accepts of a client (4 × 8 KiB): what nginx lets in, the gate can read. */
const MAX_HEADER_BYTES = 64 * 1024;

/**
 * Connections that wait to be accepted, as far as the system lets it: a burst of downloads is as many
 * questions at once, and of Node's usual 511 the kernel would drop the rest.
 */
const BACKLOG = 4096;

/** The address cannot be had; the message says which, why, and what to check. */
export class CannotListen extends Error {
  override readonly name = 'CannotListen';

  constructor(where: Listen, field: string, cause: NodeJS.ErrnoException) {
    const address = 'path' in where ? where.path : `${where.host}:${where.port}`;
    // Of a folder that is not there Node says EACCES, as it does of one that is not ours.
    const noFolder = 'path' in where && !existsSync(dirname(where.path));
    const check =
      {
        EADDRINUSE: 'another process listens there',
        EACCES: 'this user may not listen there',
        EADDRNOTAVAIL: 'this machine has no such address',
        ENOENT: 'the folder does not exist',
      }[noFolder ? 'ENOENT' : (cause.code ?? '')] ?? cause.message;
    super(`postern cannot listen on ${address}: ${check}. See ${field}.`, { cause });
  }
}

/**
 * A listening server. `field` is the setting that names the address, for the error. A Unix socket has
 * the mode that the process's umask leaves: a chmod after it listens would come too late.
 */
export async function listen(
  handler: RequestListener,
  where: Listen,
  field: string,
): Promise<Server> {
  const limits = { keepAliveTimeout: KEEP_ALIVE_MS, maxHeaderSize: MAX_HEADER_BYTES };
  const server = createServer(limits, handler);
  if ('path' in where) await removeStale(where.path);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(new CannotListen(where, field, error)));
    server.listen({ ...where, backlog: BACKLOG }, resolve);
  });
  return server;
}

/** Takes away a socket that a killed process left behind: one on which nobody listens any more. */
async function removeStale(path: string): Promise<void> {
  const stats = await lstat(path).catch(() => undefined);
  if (!stats?.isSocket()) return;
  const refused = await new Promise<boolean>((resolve) => {
    const socket = connect({ path });
    socket.once('connect', () => {
      socket.destroy();
      resolve(false);
    });
    socket.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code === 'ECONNREFUSED'));
  });
  // Where that fails, listening fails as well, and says why.
  if (refused) await unlink(path).catch(() => {});
}

/**
 * For so long kept connections are answered, and told to close, before they are closed. nginx takes the
 * one that it used last, and may have sent a request by the time it learns of the end.
 */
const FAREWELL_MS = 500;

/** Stops accepting and resolves once what is in flight is answered, or `patienceMs` are over. */
export async function drain(servers: readonly Server[], patienceMs: number): Promise<void> {
  const closed = servers.map((server) => new Promise((resolve) => stopAccepting(server, resolve)));
  let idle: NodeJS.Timeout | undefined;
  const farewell = setTimeout(() => {
    // A keepalive connection turns idle only once its answer is sent.
    idle = setInterval(() => {
      for (const server of servers) server.closeIdleConnections();
    }, 20);
  }, FAREWELL_MS);
  const late = setTimeout(() => {
    for (const server of servers) server.closeAllConnections();
  }, patienceMs);
  await Promise.all(closed);
  clearTimeout(farewell);
  clearInterval(idle);
  clearTimeout(late);
}

function stopAccepting(server: Server, closed: (error?: Error) => void): void {
  server.prependListener('request', (_, response) => {
    response.shouldKeepAlive = false;
  });
  // The `close` of node:http would close idle connections at once.
  NetServer.prototype.close.call(server, closed);
}
