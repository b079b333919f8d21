import { isIP, connect as netConnect, type Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';

/** Where to connect to a site, and its name. */
export interface Endpoint {
  readonly tls: boolean;
  /** Host to connect to. */
  readonly host: string;
  readonly port: number;
  /** Value of the `Host` header. */
  readonly authority: string;
  /** Name in the certificate. */
  readonly name: string;
}

export interface Request {
  /** Default: GET. */
  readonly method?: string;
  /** Sent unchanged in the request line. `fetch` would resolve `..`. */
  readonly target: string;
  /** A header with a list is sent once for each value. */
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  /** Source address. */
  readonly from?: string;
}

export interface SiteResponse extends HttpResponse {
  readonly localAddress: string;
  readonly remoteAddress: string;
}

/** The site sent no response, which proves nothing. The message says why. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer';
}

const TIMEOUT_MS = 10_000;
/** The maximum size of a response. The rest is not read. */
const MAX_BYTES = 1 << 20;

/**
 * Sends one request over a new connection.
 *
 * @throws NoAnswer
 */
export function sendRequest(
  endpoint: Endpoint,
  request: Request,
  signal: AbortSignal,
): Promise<SiteResponse> {
  return new Promise((resolve, reject) => {
    const socket = open(endpoint, request.from);
    let received: Buffer = Buffer.alloc(0);
    const settle = (ended: boolean) => {
      const answer = readResponse(received, request.method === 'HEAD', ended);
      if (answer === undefined) return false;
      const { localAddress = '', remoteAddress = '' } = socket;
      resolve({ ...answer, localAddress, remoteAddress });
      socket.destroy();
      return true;
    };
    const fail = (what: string) => {
      if (!settle(true)) reject(new NoAnswer(what));
      socket.destroy();
    };
    const stop = () => fail('stopped');
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    // For the whole exchange: a site that sends one byte at a time must not block the doctor.
    const timer = setTimeout(() => fail(`none within ${TIMEOUT_MS / 1000} s`), TIMEOUT_MS);
    socket.once(endpoint.tls ? 'secureConnect' : 'connect', () => {
      socket.write(bytesOf(endpoint, request));
    });
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      settle(received.length > MAX_BYTES);
    });
    socket.on('end', () => fail('the connection was closed without one'));
    socket.on('error', (error: NodeJS.ErrnoException) => fail(error.code ?? error.message));
    socket.on('close', () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
      fail('the connection was closed without one');
    });
  });
}

function open({ tls, host, port, name }: Endpoint, from: string | undefined): Socket {
  const to = { host, port, ...(from !== undefined && { localAddress: from }) };
  if (!tls) return netConnect(to);
  // A server name is never an address (RFC 6066, section 3).
  return tlsConnect({
    ...to,
    ALPNProtocols: ['http/1.1'],
    ...(!isIP(name) && { servername: name }),
  });
}

function bytesOf({ authority }: Endpoint, { method = 'GET', target, headers }: Request): string {
  const all = {
    Host: authority,
    Accept: '*/*',
    'User-Agent': 'postern-doctor',
    Connection: 'close',
    ...headers,
  };
  const lines = Object.entries(all).flatMap(([name, value]) =>
    [value].flat().map((one) => `${name}: ${one}\r\n`),
  );
  return `${method} ${target} HTTP/1.1\r\n${lines.join('')}\r\n`;
}

/** A response exactly as it was received. */
export interface HttpResponse {
  readonly status: number;
  /** With names in lower case, in the order in which they were received, duplicates included. */
  readonly headers: ReadonlyArray<readonly [name: string, value: string]>;
  readonly body: Buffer;
}

/** The first header with this name, which is in lower case. */
export function headerOf({ headers }: HttpResponse, name: string): string | undefined {
  return headers.find(([own]) => own === name)?.[1];
}

/** Parses a response (RFC 9112). Returns undefined if it is incomplete. */
export function readResponse(
  bytes: Buffer,
  isHead: boolean,
  ended: boolean,
): HttpResponse | undefined {
  let [begin, end] = [0, bytes.indexOf('\r\n\r\n')];
  // Skip 100 and 103. Not recursive: a hostile site can send any number of them.
  while (end >= 0 && /^HTTP\/1\.[01] 1\d\d/.test(bytes.toString('latin1', begin, begin + 12))) {
    begin = end + 4;
    end = bytes.indexOf('\r\n\r\n', begin);
  }
  if (end < 0) return undefined;
  const [first = '', ...lines] = bytes.toString('latin1', begin, end).split('\r\n');
  const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(first)?.[1] ?? 0);
  const after = bytes.subarray(end + 4);
  const headers = lines.map((line) => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
  });
  const head = { status, headers, body: Buffer.alloc(0) };
  if (isHead || status === 204 || status === 304) return head;
  const body = readBody(head, after, ended);
  return body && { ...head, body };
}

function readBody(head: HttpResponse, after: Buffer, ended: boolean): Buffer | undefined {
  if (headerOf(head, 'transfer-encoding') === 'chunked') return readChunks(after, ended);
  const length = Number(headerOf(head, 'content-length') ?? Number.POSITIVE_INFINITY);
  if (after.length >= length) return after.subarray(0, length);
  return ended ? after : undefined;
}

function readChunks(after: Buffer, ended: boolean): Buffer | undefined {
  const chunks: Buffer[] = [];
  for (let at = 0; ; ) {
    const line = after.indexOf('\r\n', at);
    // A negative size would cause an endless loop.
    const digits = line < 0 ? undefined : /^[\da-f]+/i.exec(after.toString('latin1', at, line));
    const size = digits ? Number.parseInt(digits[0], 16) : Number.NaN;
    if (size === 0) return Buffer.concat(chunks);
    const next = line + 2 + size + 2;
    if (!(after.length >= next)) return ended ? Buffer.concat(chunks) : undefined;
    chunks.push(after.subarray(line + 2, line + 2 + size));
    at = next;
  }
}
