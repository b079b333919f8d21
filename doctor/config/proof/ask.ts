import { connect, type Socket } from 'node:net';

/** A request as the doctor sends it, on a Unix socket. */
export interface Ask {
  readonly socket: string;
  readonly method: string;
  /** The path and the query, exactly as they are sent. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** What nginx sent. Status 0: it closed the connection. */
export interface CopyReply {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

const IN_FLIGHT = 32;
const TIMEOUT_MS = 20_000;
const CLOSED: CopyReply = { status: 0, head: '', body: '' };

/** Sends all requests to one socket, several at a time on one connection, and returns the replies in the same order. */
export async function askAll(socket: string, asks: readonly Ask[]): Promise<readonly CopyReply[]> {
  const replies: CopyReply[] = [];
  while (replies.length < asks.length) {
    const got = await onConnection(socket, asks.slice(replies.length));
    // nginx closed the connection instead of a reply.
    replies.push(...(got.length > 0 ? got : [CLOSED]));
  }
  return replies;
}

/** The replies until nginx closes the connection. */
async function onConnection(path: string, asks: readonly Ask[]): Promise<readonly CopyReply[]> {
  const replies: CopyReply[] = [];
  const socket: Socket = connect(path);
  let failure: Error | undefined;
  // A request without a response is not a refusal.
  socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error('a request got no response')));
  socket.on('error', (error: NodeJS.ErrnoException) => {
    if (!/^(ECONNRESET|EPIPE)$/.test(error.code ?? '')) failure = error;
  });
  let sent = 0;
  let rest = '';
  const send = () => {
    const until = Math.min(asks.length, replies.length + IN_FLIGHT);
    if (sent >= until) return;
    socket.write(asks.slice(sent, until).map(textOf).join(''), 'latin1');
    sent = until;
  };
  socket.setEncoding('latin1');
  socket.on('data', (text: string) => {
    rest += text;
    for (let reply = parsed(rest); reply !== undefined; reply = parsed(rest)) {
      rest = rest.slice(reply.length);
      if (reply.status >= 200) replies.push(reply);
    }
    if (replies.length >= asks.length) socket.end();
    else if (sent - replies.length < IN_FLIGHT / 2) send();
  });
  socket.on('connect', send);
  await new Promise((resolve) => socket.on('close', resolve));
  if (failure !== undefined) throw failure;
  const last = parsed(rest, true);
  return last === undefined ? replies : [...replies, last];
}

function textOf({ method, target, headers }: Ask): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const length = method === 'GET' || method === 'HEAD' ? '' : 'Content-Length: 0\r\n';
  return `${method} ${target} HTTP/1.1\r\n${lines.join('')}${length}\r\n`;
}

/** The first whole response in a text. A body without a length ends with the connection. */
function parsed(text: string, isEnded = false): (CopyReply & { length: number }) | undefined {
  const start = text.indexOf('\r\n\r\n') + 4;
  if (start < 4) return undefined;
  const head = text.slice(0, start);
  const status = Number(head.slice(9, 12));
  const reply = (length: number) => ({ status, head, body: text.slice(start, length), length });
  if (status < 200 || status === 204 || status === 304) return reply(start);
  const [, size] = /^content-length: (\d+)/im.exec(head) ?? [];
  if (size !== undefined) {
    const end = start + Number(size);
    return text.length >= end ? reply(end) : undefined;
  }
  if (/^transfer-encoding: chunked/im.test(head)) {
    const end = text.indexOf('\r\n0\r\n\r\n', start - 2);
    return end < 0 ? undefined : reply(end + 7);
  }
  return isEnded ? reply(text.length) : undefined;
}
