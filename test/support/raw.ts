import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** A response, unchanged. */
export interface RawAnswer {
  readonly status: number;
  /** Names in lower case, in the order of the response, with duplicates. */
  readonly headers: ReadonlyArray<readonly [name: string, value: string]>;
  readonly body: Buffer;
  readonly text: string;
  header(name: string): string | undefined;
}

export type Headers = Readonly<Record<string, string | readonly string[]>>;

/**
 * A request's bytes, nothing of it normalised. A string target is sent as UTF-8.
 * A header with an array for its value is sent once for each.
 */
export function requestBytes(
  method: string,
  target: string | Buffer,
  headers: Headers = {},
  body: string | Buffer = '',
): Buffer {
  const all: Headers = { Host: 'files.example', ...headers };
  const lines = Object.entries(all).flatMap(([name, value]) =>
    [value].flat().map((one) => `${name}: ${one}\r\n`),
  );
  return Buffer.concat([
    Buffer.from(`${method} `),
    Buffer.from(target),
    Buffer.from(` HTTP/1.1\r\n${lines.join('')}\r\n`),
    Buffer.from(body),
  ]);
}

export interface RawConnection {
  readonly socket: Socket;
  /** Sends one request and reads its answer; the connection stays open. */
  send(bytes: Buffer | string, method?: string): Promise<RawAnswer>;
  close(): void;
}

/** `localAddress`: the address of the client. Linux has all of 127.0.0.0/8 on its loopback. */
export async function openRaw(port: number, localAddress = '127.0.0.1'): Promise<RawConnection> {
  const socket = connect({ port, host: '127.0.0.1', localAddress });
  await once(socket, 'connect');
  let received: Buffer = Buffer.alloc(0);
  let ended = false;
  let more = () => {};
  socket.on('data', (chunk) => {
    received = Buffer.concat([received, chunk]);
    more();
  });
  for (const event of ['end', 'close', 'error']) {
    socket.on(event, () => {
      ended = true;
      more();
    });
  }
  return {
    socket,
    async send(bytes, method = 'GET') {
      socket.write(bytes);
      for (;;) {
        const read = readAnswer(received, method === 'HEAD', ended);
        if (read !== undefined) {
          received = read.rest;
          return read.answer;
        }
        if (ended) throw new Error(`the connection ended after: ${received.toString('latin1')}`);
        await new Promise<void>((resolve) => {
          more = resolve;
        });
      }
    },
    close: () => void socket.destroy(),
  };
}

/** Sends bytes over a new connection, and reads one answer. */
export async function sendRaw(
  port: number,
  bytes: Buffer | string,
  method = 'GET',
  localAddress?: string,
): Promise<RawAnswer> {
  const connection = await openRaw(port, localAddress);
  try {
    return await connection.send(bytes, method);
  } finally {
    connection.close();
  }
}

/** Many requests over one connection, which is opened again after the server closed it. */
export function reconnecting(port: () => number) {
  let connection: RawConnection | undefined;
  function close() {
    connection?.close();
    connection = undefined;
  }
  /** Status 0: the server closed the connection without an answer, twice. */
  async function send(bytes: Buffer): Promise<Pick<RawAnswer, 'status' | 'text'>> {
    for (let attempt = 0; attempt < 2; attempt += 1) {
      connection ??= await openRaw(port());
      try {
        const answer = await connection.send(bytes);
        if (answer.header('connection') === 'close') close();
        return answer;
      } catch {
        close();
      }
    }
    return { status: 0, text: '' };
  }
  return { send, close };
}

function readAnswer(received: Buffer, isHead: boolean, ended: boolean) {
  const end = received.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const [first = '', ...lines] = received.toString('latin1', 0, end).split('\r\n');
  const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(first)?.[1]);
  const headers = lines.map((line) => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
  });
  const header = (name: string) => headers.find(([own]) => own === name.toLowerCase())?.[1];
  const after = received.subarray(end + 4);
  const read = readBody(after, status, isHead, header, ended);
  if (read === undefined) return undefined;
  const { body, rest } = read;
  return { answer: { status, headers, body, text: body.toString(), header }, rest };
}

function readBody(
  after: Buffer,
  status: number,
  isHead: boolean,
  header: (name: string) => string | undefined,
  ended: boolean,
): { body: Buffer; rest: Buffer } | undefined {
  if (isHead || status === 204 || status === 304) return { body: Buffer.alloc(0), rest: after };
  if (header('transfer-encoding') === 'chunked') return readChunks(after);
  const length = header('content-length');
  if (length === undefined) return ended ? { body: after, rest: Buffer.alloc(0) } : undefined;
  if (after.length < Number(length)) return undefined;
  return { body: after.subarray(0, Number(length)), rest: after.subarray(Number(length)) };
}

function readChunks(after: Buffer): { body: Buffer; rest: Buffer } | undefined {
  const chunks: Buffer[] = [];
  for (let at = 0; ; ) {
    const line = after.indexOf('\r\n', at);
    if (line < 0) return undefined;
    const size = Number.parseInt(after.toString('latin1', at, line), 16);
    const next = line + 2 + size + 2;
    if (after.length < next) return undefined;
    if (size === 0) return { body: Buffer.concat(chunks), rest: after.subarray(next) };
    chunks.push(after.subarray(line + 2, line + 2 + size));
    at = next;
  }
}
