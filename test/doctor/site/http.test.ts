import { expect, test } from 'vitest';
import { type Endpoint, type Request, sendRequest } from '../../../doctor/site/http.ts';
import { tcpForTest } from '../../support/for-test.ts';

/** What a server receives, and the response or the reason why there is none. */
async function exchange(request: Request, answer?: string) {
  const stop = new AbortController();
  let heard = '';
  const port = await tcpForTest((socket) => {
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      heard += chunk.toString('latin1');
      if (!heard.endsWith('\r\n\r\n')) return;
      if (answer === undefined) stop.abort();
      else socket.end(answer);
    });
  });
  const place: Endpoint = {
    tls: false,
    host: '127.0.0.1',
    port,
    authority: 'files.example',
    name: 'x',
  };
  const result = await sendRequest(place, request, stop.signal).catch(
    (error: Error) => error.message,
  );
  return { heard, result };
}

async function seen(text: string) {
  const { result } = await exchange({ target: '/' }, text);
  return typeof result === 'string' ? result : [result.status, result.body.toString()];
}

const CHUNKED = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n';
const CLOSED = 'the connection was closed';

test.each([
  ['HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab', [200, 'ab']],
  [`${CHUNKED}2\r\nab\r\n9\r\nc`, [200, 'abc']],
  ['', CLOSED],
  ['HTTP/1.1 200 OK\r\nContent', CLOSED],
  ['SSH-2.0-x\r\n\r\n', 'HPE_INVALID_CONSTANT'],
])('sendRequest: reads a connection that ends: %j', async (text, expected) => {
  expect(await seen(text)).toEqual(expected);
});

test('sendRequest: reads responses that a strict parser rejects', async () => {
  const both = CHUNKED.replace('Transfer', 'Content-Length: 9\r\nTransfer');
  expect(await seen(`${both}2\r\nab\r\n0\r\n\r\n`)).toEqual([200, 'ab']);
  const long = `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(40_000)}\r\nContent-Length: 2\r\n\r\nab`;
  expect(await seen(long)).toEqual([200, 'ab']);
});

test('sendRequest: sends the target unchanged', async () => {
  const target = '/a/../b//%2e%2E/c?d=#e';
  const headers = { 'X-Twice': ['1', '2'], Connection: 'close, X-Twice' };
  const { heard } = await exchange({ method: 'HEAD', target, headers }, 'HTTP/1.1 200 OK\r\n\r\n');
  expect(heard.split('\r\n')).toEqual([
    `HEAD ${target} HTTP/1.1`,
    'Host: files.example',
    'Accept: */*',
    'User-Agent: postern-doctor',
    'Connection: close, X-Twice',
    'X-Twice: 1',
    'X-Twice: 2',
    '',
    '',
  ]);
});

test('sendRequest: cuts an endless body', async () => {
  const long = `HTTP/1.1 200 OK\r\n\r\n${'x'.repeat(3 << 20)}`;
  const { result } = await exchange({ target: '/' }, long);
  expect(result).toMatchObject({ status: 200 });
  expect((result as { body: Buffer }).body.length).toBeLessThan(2 << 20);
});

test('sendRequest: an abort ends it immediately', async () => {
  const { result } = await exchange({ target: '/' });
  expect(result).toBe('stopped');
});
