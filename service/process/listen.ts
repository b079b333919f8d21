import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { lstat, unlink } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import { connect, Server as NetServer, type Socket as TcpSocket } from 'node:net';
import { endianness } from 'node:os';
import { dirname } from 'node:path';
import { getSystemErrorMap } from 'node:util';
import type { InheritedSocket } from '../config/inherited.ts';
import type { Listen, UdpAddress } from '../config/values.ts';

/**
 * Longer than nginx keeps an idle upstream connection (60 s by default), so that nginx closes it and never
 * sends a request into a connection that is being closed.
 */
const KEEP_ALIVE_MS = 75_000;

/**
 * More than nginx accepts from a client by default (4 × 8 KiB). A site can allow more: then the gate denies the request.
 * If the limit was 512 KiB, a thousand slow connections would need 500 MB.
 */
const MAX_HEADER_BYTES = 64 * 1024;

export const LIMITS = { keepAliveTimeout: KEEP_ALIVE_MS, maxHeaderSize: MAX_HEADER_BYTES };

/**
 * Maximum number of connections that wait to be accepted, within the system's limit (net.core.somaxconn). If a Unix
 * socket has no place, nginx gets EAGAIN, and the client 503 at once. With Node's default of 511, a burst would do it.
 */
const BACKLOG = 16_384;

/** Within this time, a request must arrive completely. A batch of 128 KiB needs 4.4 kB per second. */
const RECEIVE_MS = 30_000;

/** The address cannot be used. The message says which, why, and what to check. */
export class CannotListen extends Error {
  override readonly name = 'CannotListen';

  constructor(where: Listen, field: string, cause: NodeJS.ErrnoException) {
    const address = 'path' in where ? where.path : `${where.host}:${where.port}`;
    const [, meaning = cause.message] = getSystemErrorMap().get(cause.errno ?? 0) ?? [];
    // For a missing folder Node reports EACCES.
    const noFolder = 'path' in where && !existsSync(dirname(where.path));
    const check = noFolder ? 'the folder does not exist' : meaning;
    super(`postern cannot listen on ${address}: ${check}. See ${field}.`, { cause });
  }
}

/**
 * Starts a server. `field` is the setting of the address, for the error. The process' umask sets the mode
 * of a Unix socket: a chmod after it listens would be too late.
 */
export async function listen(
  handler: RequestListener,
  where: Listen,
  field: string,
  receiveMs = RECEIVE_MS,
): Promise<Server> {
  // Node.js would check this every 30 seconds. At the end of the process, the limit is LAST_MS.
  const connectionsCheckingInterval = receiveMs / 60;
  const times = { headersTimeout: receiveMs, requestTimeout: receiveMs };
  const server = createServer({ ...LIMITS, ...times, connectionsCheckingInterval }, handler);
  const { fd } = where;
  if (fd === undefined && 'path' in where) await removeStale(where.path);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(new CannotListen(where, field, error)));
    // With a descriptor, Node.js ignores `backlog` in the options, and would reduce the queue to 511.
    server.listen(fd === undefined ? where : { fd }, BACKLOG, resolve);
  });
  return server;
}

/** Maximum number of requests without a response on a connection. Most programs send one at a time. */
const MAX_AHEAD = 16;

/**
 * Closes a connection whose client sends too many requests before it gets the responses (pipelining). Node.js would
 * handle all of them before the gate gets a turn, and keep all responses that the client does not read.
 */
export function limitAhead(handler: RequestListener): RequestListener {
  const unanswered = new WeakMap<TcpSocket, number>();
  return (request, response) => {
    const { socket } = request;
    const count = (unanswered.get(socket) ?? 0) + 1;
    if (count > MAX_AHEAD) {
      socket.destroy();
      return;
    }
    unanswered.set(socket, count);
    response.once('close', () => unanswered.set(socket, (unanswered.get(socket) ?? 1) - 1));
    handler(request, response);
  };
}

/**
 * Holds the datagrams that arrive while the event loop is busy. The kernel may grant less, and drops those that
 * do not fit.
 */
const RECEIVE_BUFFER_BYTES = 4 << 20;

/** Receives datagrams. `field` is the setting of the address, for the error. */
export async function listenUdp(
  onMessage: (data: Buffer, address: string) => void,
  where: UdpAddress,
  field: string,
): Promise<Socket> {
  const type = where.host.includes(':') ? 'udp6' : 'udp4';
  const socket = createSocket({ type, recvBufferSize: RECEIVE_BUFFER_BYTES });
  await new Promise<void>((resolve, reject) => {
    // This listener stays: an error without a listener would end the process.
    socket.on('error', (error) => reject(new CannotListen(where, field, error)));
    const { fd, port, host: address } = where;
    socket.bind(fd === undefined ? { port, address } : { fd }, resolve);
  });
  socket.on('message', (data, { address }) => onMessage(data, address));
  return socket;
}

/** Removes the socket of a process that was killed: no process listens on it. */
async function removeStale(path: string): Promise<void> {
  const stats = await lstat(path).catch(() => undefined);
  if (!stats?.isSocket()) return;
  const socket = connect({ path });
  const refused = await once(socket, 'connect').then(
    () => false,
    ({ code }: NodeJS.ErrnoException) => code === 'ECONNREFUSED',
  );
  socket.destroy();
  // If this fails, listening fails too and says why.
  if (refused) await unlink(path).catch(() => {});
}

/**
 * How long requests are still accepted, with `Connection: close`, before idle connections are closed: nginx may have sent
 * one before it sees the end. An incomplete request gets 408 after this time.
 */
const LAST_MS = 500;

/**
 * Ends servers, within `maxMs` each, when the requests in flight are answered. The first one, the gate, listens until all
 * others and `before` have ended: without it, each download waits for the next process.
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

/** The first descriptor: SD_LISTEN_FDS_START. */
const FIRST_DESCRIPTOR = 3;

/**
 * The sockets that the supervisor opened for this process: sd_listen_fds(3). Removes the variables, so that a child
 * does not take the descriptors for its own.
 */
export function takeInherited(env: NodeJS.ProcessEnv, pid: number): readonly InheritedSocket[] {
  const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES = '' } = env;
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) delete env[name];
  // A parent has passed on its variables.
  if (LISTEN_PID !== String(pid)) return [];
  const names = LISTEN_FDNAMES.split(':');
  return Array.from({ length: Number(LISTEN_FDS) }, (_, i) => {
    return { name: names[i] ?? '', fd: FIRST_DESCRIPTOR + i, ...findSocket(FIRST_DESCRIPTOR + i) };
  });
}

const TCP_LISTEN = '0A';
const UNIX_LISTENS = '00010000';

/** Node.js does not tell the address of an inherited Unix socket. Linux lists it: proc(5), /proc/net. */
function findSocket(fd: number): Pick<InheritedSocket, 'kind' | 'at'> {
  const link = read(() => readlinkSync(`/proc/self/fd/${fd}`));
  const inode = /^socket:\[(\d+)\]$/.exec(link)?.[1];
  const rowOf = (table: string, column: number) =>
    read(() => readFileSync(`/proc/self/net/${table}`, 'latin1'))
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .find((words) => words[column] === inode);
  if (inode === undefined) return { kind: 'other' };
  const unix = rowOf('unix', 6);
  if (unix) {
    const path = unix.slice(7).join(' ');
    // Type 1 is a stream.
    const isListening = unix[3] === UNIX_LISTENS && unix[4] === '0001';
    return { at: { path }, kind: isListening ? 'listening' : 'other' };
  }
  for (const table of ['tcp', 'tcp6']) {
    const tcp = rowOf(table, 9);
    if (tcp) return { at: addressOf(tcp[1]), kind: tcp[3] === TCP_LISTEN ? 'listening' : 'other' };
  }
  const udp = rowOf('udp', 9) ?? rowOf('udp6', 9);
  // The table has only the sockets of the process' network namespace.
  return udp ? { at: addressOf(udp[1]), kind: 'datagram' } : { kind: 'unknown' };
}

/** Empty if it does not exist, such as a descriptor, or a table without IPv6. */
function read(text: () => string): string {
  try {
    return text();
  } catch {
    return '';
  }
}

/** `0100007F:1C85`: the address in words of 32 bits, in the byte order of the machine. */
function addressOf(text = ''): UdpAddress {
  const [hex = '', port = ''] = text.split(':');
  const bytes = Buffer.from(hex, 'hex');
  if (endianness() === 'LE') bytes.swap32();
  const isShort = bytes.length === 4;
  const groups = bytes.toString('hex').match(/.{4}/g) ?? [];
  const host = isShort ? bytes.join('.') : new URL(`http://[${groups.join(':')}]`).hostname;
  return { host: host.replace(/[[\]]/g, ''), port: Number.parseInt(port, 16) };
}
