import { connect } from 'node:net';

/** An address that no `allow` of a published configuration names. */
const FROM = '127.77.0.9';

/**
 * Sends requests one after the other over one connection, without waiting for the responses, and returns the text of
 * the responses. nginx closes the connection after a malformed request, so the rest is sent over another one.
 */
export async function askAll(port: number, requests: readonly string[]): Promise<string> {
  let text = '';
  let left = requests;
  while (left.length > 0) {
    const { answered, received } = await exchange(port, left);
    text += received;
    // A connection that ends without a byte is an answer too: `return 444`.
    left = left.slice(Math.max(answered, 1));
  }
  return text;
}

async function exchange(port: number, requests: readonly string[]) {
  const socket = connect({ port, host: '127.0.0.1', localAddress: FROM });
  let received = '';
  let [answered, at] = [0, 0];
  socket.setEncoding('latin1');
  socket.on('error', () => {});
  socket.on('data', (chunk: string) => {
    received += chunk;
    for (let end = endOf(received, at); end !== undefined; end = endOf(received, at)) {
      answered += 1;
      at = end;
    }
    if (answered >= requests.length) socket.destroy();
  });
  const closed = new Promise((resolve) => socket.on('close', resolve));
  socket.write(requests.join(''), 'latin1');
  await closed;
  // The last response, if its end is that of the connection.
  if (received.length > at) answered += 1;
  return { answered, received };
}

/** Where the response that begins at `at` ends, if it is whole. */
function endOf(text: string, at: number): number | undefined {
  const head = text.indexOf('\r\n\r\n', at);
  if (head < 0) return undefined;
  const headers = text.slice(at, head);
  if (/^HTTP\/1\.\d (?:204|304)/.test(headers)) return head + 4;
  if (/\r\nTransfer-Encoding: chunked/i.test(headers)) {
    const last = text.indexOf('\r\n0\r\n\r\n', head);
    return last < 0 ? undefined : last + 7;
  }
  const length = /\r\nContent-Length: (\d+)/i.exec(headers)?.[1];
  if (length === undefined) return undefined;
  const end = head + 4 + Number(length);
  return end <= text.length ? end : undefined;
}
