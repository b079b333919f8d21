import { isIP, connect as netConnect, type Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';

/** Where a site is reached, and under which name. */
export interface Place {
  readonly tls: boolean;
  /** To connect to. */
  readonly host: string;
  readonly port: number;
  /** For the `Host` header. */
  readonly authority: string;
  /** That a certificate must be for. */
  readonly name: string;
}

export interface Request {
  /** Default: GET. */
  readonly method?: string;
  /** Sent unchanged in the request line. `fetch` would resolve `..`. */
  readonly target: string;
  /** One with a list for its value is sent once for each. */
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  /** From which address. */
  readonly from?: string;
}

export interface Heard extends Answer {
  /** The addresses of the two ends of the connection. */
  readonly here: string;
  readonly there: string;
}

/** There was no answer, which proves nothing; the message says what there was instead. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer';
}

const TIMEOUT_MS = 10_000;
/** More of a body than this is not read. */
const MAX_BYTES = 1 << 20;

/**
 * Sends one request over a new connection.
 *
 * @throws NoAnswer
 */
export function send(place: Place, request: Request, signal: AbortSignal): Promise<Heard> {
  return new Promise((resolve, reject) => {
    const socket = open(place, request.from);
    let received: Buffer = Buffer.alloc(0);
    const settle = (ended: boolean) => {
      const answer = readAnswer(received, request.method === 'HEAD', ended);
      if (answer === undefined) return false;
      const { localAddress: here = '', remoteAddress: there = '' } = socket;
      resolve({ ...answer, here, there });
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
    // Of the whole exchange: a site that trickles must not hold the doctor up.
    const timer = setTimeout(() => fail(`none within ${TIMEOUT_MS / 1000} s`), TIMEOUT_MS);
    socket.once(place.tls ? 'secureConnect' : 'connect', () => {
      socket.write(bytesOf(place, request));
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

function open({ tls, host, port, name }: Place, from: string | undefined): Socket {
  const to = { host, port, ...(from !== undefined && { localAddress: from }) };
  if (!tls) return netConnect(to);
  // A server name is never an address (RFC 6066, section 3).
  return tlsConnect({
    ...to,
    ALPNProtocols: ['http/1.1'],
    ...(!isIP(name) && { servername: name }),
  });
}

function bytesOf({ authority }: Place, { method = 'GET', target, headers }: Request): string {
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

/** An answer as it came over the wire. */
export interface Answer {
  readonly status: number;
  /** Names in lower case, in the order and number in which they came. */
  readonly headers: ReadonlyArray<readonly [name: string, value: string]>;
  readonly body: Buffer;
}

/** The first header of a name, which is in lower case. */
export function headerOf({ headers }: Answer, name: string): string | undefined {
  return headers.find(([own]) => own === name)?.[1];
}

/** The answer that these bytes hold (RFC 9112); undefined: more must come. */
export function readAnswer(bytes: Buffer, isHead: boolean, ended: boolean): Answer | undefined {
  let [begin, end] = [0, bytes.indexOf('\r\n\r\n')];
  // 100 and 103 come before the answer itself: of a hostile site so many that recursion would end in an error.
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

function readBody(head: Answer, after: Buffer, ended: boolean): Buffer | undefined {
  if (headerOf(head, 'transfer-encoding') === 'chunked') return readChunks(after, ended);
  const length = Number(headerOf(head, 'content-length') ?? Number.POSITIVE_INFINITY);
  if (after.length >= length) return after.subarray(0, length);
  return ended ? after : undefined;
}

function readChunks(after: Buffer, ended: boolean): Buffer | undefined {
  const chunks: Buffer[] = [];
  for (let at = 0; ; ) {
    const line = after.indexOf('\r\n', at);
    // A negative one would lead back, and round in a circle.
    const digits = line < 0 ? undefined : /^[\da-f]+/i.exec(after.toString('latin1', at, line));
    const size = digits ? Number.parseInt(digits[0], 16) : Number.NaN;
    if (size === 0) return Buffer.concat(chunks);
    const next = line + 2 + size + 2;
    if (!(after.length >= next)) return ended ? Buffer.concat(chunks) : undefined;
    chunks.push(after.subarray(line + 2, line + 2 + size));
    at = next;
  }
}
