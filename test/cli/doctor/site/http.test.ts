import { type AddressInfo, createServer as createTcp } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import {
  type Endpoint,
  headerOf,
  type Request,
  readResponse,
  sendRequest,
} from '../../../../cli/doctor/site/http.ts';

const read = (text: string, isHead = false, ended = false) =>
  readResponse(Buffer.from(text, 'latin1'), isHead, ended);

const seen = (text: string, isHead = false, ended = false) => {
  const answer = read(text, isHead, ended);
  return answer && [answer.status, answer.body.toString()];
};

test.each([
  ['HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab', false, [200, 'ab']],
  ['HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab', false, undefined],
  ['HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab', true, [200, 'ab']],
  ['HTTP/1.1 200 OK\r\n\r\nab', false, undefined],
  ['HTTP/1.1 200 OK\r\n\r\nab', true, [200, 'ab']],
  ['HTTP/1.1 204 No Content\r\n\r\n', false, [204, '']],
  ['HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n', false, [304, '']],
  [
    'HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n',
    false,
    [401, ''],
  ],
  ['HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n', false, undefined],
  [
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\n\r\n',
    false,
    [200, 'abc'],
  ],
  ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n', false, undefined],
  ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n9\r\nc', true, [200, 'ab']],
  ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n-f\r\n', true, [200, 'abcd']],
  ['SSH-2.0-x\r\n\r\n', true, [0, '']],
  ['HTTP/1.1 200 OK\r\nContent', true, undefined],
])('readResponse: %j', (text, ended, expected) => {
  expect(seen(text, false, ended)).toEqual(expected);
});

test('readResponse: skips any number of 1xx responses', () => {
  const text = `${'HTTP/1.1 100 \r\n\r\n'.repeat(60_000)}HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n`;
  expect(seen(text)).toEqual([401, '']);
  expect(seen('HTTP/1.1 100 \r\n\r\n'.repeat(60_000))).toBeUndefined();
});

test('readResponse: the response to HEAD has no body, whatever Content-Length says', () => {
  expect(seen('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', true)).toEqual([200, '']);
});

test('readResponse: keeps duplicate headers, with names in lower case', () => {
  const answer = read('HTTP/1.1 204 x\r\nSet-Cookie: a=1\r\nSET-COOKIE:b=2\r\nX: y:z \r\n\r\n');
  expect(answer?.headers).toEqual([
    ['set-cookie', 'a=1'],
    ['set-cookie', 'b=2'],
    ['x', 'y:z'],
  ]);
  expect(answer && headerOf(answer, 'x')).toBe('y:z');
});

/** What a server hears of a request, and what comes of its answer. */
async function exchange(
  request: Request,
  answer: string | undefined,
  stop = new AbortController(),
) {
  let heard = '';
  const server = createTcp((socket) => {
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      heard += chunk.toString('latin1');
      if (!heard.endsWith('\r\n\r\n')) return;
      if (answer === undefined) stop.abort();
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
  expect(result).toBe('the connection was closed without one');
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
