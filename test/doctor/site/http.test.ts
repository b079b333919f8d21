import { type AddressInfo, createServer as createTcp } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import {
  type Endpoint,
  headerOf,
  type Request,
  type SiteResponse,
  sendRequest,
} from '../../../doctor/site/http.ts';

interface Exchange {
  /** Does not close the connection after the response. */
  readonly keepsOpen?: boolean;
  readonly stop?: AbortController;
}

/** What a server receives, and the response or the reason why there is none. */
async function exchange(request: Request, answer: string | undefined, options: Exchange = {}) {
  const { keepsOpen = false, stop = new AbortController() } = options;
  let heard = '';
  const server = createTcp((socket) => {
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      heard += chunk.toString('latin1');
      if (!heard.endsWith('\r\n\r\n')) return;
      if (answer === undefined) stop.abort();
      else if (keepsOpen) socket.write(answer);
      else socket.end(answer);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
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

async function seen(text: string, options: Exchange = {}, method = 'GET') {
  const { result } = await exchange({ target: '/', method }, text, options);
  return typeof result === 'string' ? result : [result.status, result.body.toString()];
}

const CHUNKED = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n';
const CLOSED = 'the connection was closed';

test.each([
  ['HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab', [200, 'ab']],
  ['HTTP/1.1 204 No Content\r\n\r\n', [204, '']],
  ['HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n', [304, '']],
  [
    'HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n',
    [401, ''],
  ],
  [`${CHUNKED}2\r\nab\r\n1;x=y\r\nc\r\n0\r\n\r\n`, [200, 'abc']],
])('sendRequest: does not wait for the end of the connection: %j', async (text, expected) => {
  expect(await seen(text, { keepsOpen: true })).toEqual(expected);
});

test.each([
  ['HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab', [200, 'ab']],
  ['HTTP/1.1 200 OK\r\n\r\nab', [200, 'ab']],
  [`${CHUNKED}2\r\nab\r\n`, [200, 'ab']],
  [`${CHUNKED}2\r\nab\r\n9\r\nc`, [200, 'abc']],
  [`${CHUNKED}4\r\nabcd\r\n-f\r\n`, [200, 'abcd']],
  ['HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n', CLOSED],
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

test('sendRequest: skips any number of 1xx responses', async () => {
  const many = 'HTTP/1.1 100 \r\n\r\n'.repeat(60_000);
  expect(await seen(`${many}HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n`)).toEqual([401, '']);
  expect(await seen(many)).toBe(CLOSED);
});

test('sendRequest: the response to HEAD has no body, whatever Content-Length says', async () => {
  const text = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n';
  expect(await seen(text, { keepsOpen: true }, 'HEAD')).toEqual([200, '']);
});

test('sendRequest: keeps duplicate headers, with names in lower case', async () => {
  const text = 'HTTP/1.1 204 x\r\nSet-Cookie: a=1\r\nSET-COOKIE:b=2\r\nX: y:z \r\n\r\n';
  const answer = (await exchange({ target: '/' }, text)).result as SiteResponse;
  expect(answer.headers).toEqual([
    ['set-cookie', 'a=1'],
    ['set-cookie', 'b=2'],
    ['x', 'y:z'],
  ]);
  expect(headerOf(answer, 'x')).toBe('y:z');
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

test('sendRequest: a closed connection is NoAnswer', async () => {
  const { result } = await exchange({ target: '/' }, '');
  expect(result).toBe(CLOSED);
});

test('sendRequest: cuts an endless body', async () => {
  const long = `HTTP/1.1 200 OK\r\n\r\n${'x'.repeat(3 << 20)}`;
  const { result } = await exchange({ target: '/' }, long);
  expect(result).toMatchObject({ status: 200 });
  expect((result as { body: Buffer }).body.length).toBeLessThan(2 << 20);
});

test('sendRequest: an abort ends it immediately', async () => {
  const { result } = await exchange({ target: '/' }, undefined);
  expect(result).toBe('stopped');
});
