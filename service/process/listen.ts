import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { lstat, unlink } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import { connect, type Socket as TcpSocket } from 'node:net';
import { dirname } from 'node:path';
import { getSystemErrorMap } from 'node:util';
import type { Listen, UdpAddress } from '../address.ts';

/**
 * Longer than the 60 s for which nginx keeps an idle connection by default, so that nginx closes it, and never sends a
 * request into a connection that is being closed.
 */
const KEEP_ALIVE_MS = 75_000;

/**
 * More than nginx accepts from a client by default (4 × 8 KiB). A site can allow more: then the gate denies the request.
 * If the limit was 512 KiB, a thousand slow connections would need 500 MB.
 */
const MAX_HEADER_BYTES = 64 * 1024;

const LIMITS = { keepAliveTimeout: KEEP_ALIVE_MS, maxHeaderSize: MAX_HEADER_BYTES };

/** For the API and the metrics: the longest JWT of a client (jwt/issuers.ts) fits with a URL and the usual headers. */
const MAX_REQUEST_HEADER_BYTES = 20 * 1024;

/** Node.js would ignore the headers above its own limit, and with them perhaps Authorization. */
const MAX_HEADERS = 100;

/**
 * How many connections may wait to be accepted, at most net.core.somaxconn. If the queue of a Unix socket is full, nginx
 * gets EAGAIN and answers 503. A burst fills Node's default of 511.
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
 * Starts a server. `field` is the setting that an error names. The umask sets the mode of a Unix socket, because a chmod
 * after it listens would be too late.
 */
export async function listen(
  handler: RequestListener,
  where: Listen,
  field: string,
  receiveMs = RECEIVE_MS,
  limits = LIMITS,
): Promise<Server> {
  // Node.js would check this every 30 seconds. At the end of the process, the limit is LAST_MS of end.ts.
  const connectionsCheckingInterval = receiveMs / 60;
  const times = { headersTimeout: receiveMs, requestTimeout: receiveMs };
  const server = createServer({ ...limits, ...times, connectionsCheckingInterval }, handler);
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
 * Starts the server of the API or of the metrics. It answers 431 to too many headers, and closes a connection with too many
 * unanswered requests (pipelining): Node.js would handle all of them before the gate gets a turn, and keep their responses.
 */
export async function listenLimited(
  handler: RequestListener,
  where: Listen,
  field: string,
): Promise<Server> {
  const limits = { ...LIMITS, maxHeaderSize: MAX_REQUEST_HEADER_BYTES };
  const server = await listen(limitRequests(handler), where, field, RECEIVE_MS, limits);
  // As an option, Node.js ignores it. One more, so that `limitRequests` sees that there are too many.
  server.maxHeadersCount = MAX_HEADERS + 1;
  return server;
}

function limitRequests(handler: RequestListener): RequestListener {
  const unanswered = new WeakMap<TcpSocket, number>();
  return (request, response) => {
    // Names and values in turn.
    if (request.rawHeaders.length > 2 * MAX_HEADERS) {
      response.writeHead(431, { Connection: 'close' }).end();
      return;
    }
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

/** Holds the datagrams that arrive while the event loop is busy. The kernel may grant less, and drops what does not fit. */
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
