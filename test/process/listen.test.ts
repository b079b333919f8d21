import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import type { RequestListener, ServerResponse } from 'node:http';
import { type AddressInfo, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { drain } from '../../service/process/end.ts';
import { CannotListen, listen, listenLimited } from '../../service/process/listen.ts';
import { folderForTest } from '../support/for-test.ts';
import { openRaw, requestBytes, sendRaw } from '../support/raw.ts';

const handler = () => {};

/** Listens on a free port of 127.0.0.1. */
async function started(on: RequestListener, bodyMs?: number) {
  const server = await listen(on, { host: '127.0.0.1', port: 0 }, 'POSTERN_LISTEN', bodyMs);
  return { server, port: (server.address() as AddressInfo).port };
}

test('listen: a stale socket is replaced', async () => {
  const path = join(await folderForTest(), 'gate.sock');
  // As after a killed process: the socket exists, and no process listens.
  const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['-e', script]);
  const server = await listen(handler, { path }, 'POSTERN_LISTEN');
  await drain([server], 100);
});

test('listen: a socket in use, a file that is not a socket and a missing folder are errors', async () => {
  const folder = await folderForTest();
  const used = join(folder, 'used.sock');
  const other = createServer().listen(used);
  await expect(listen(handler, { path: used }, 'POSTERN_LISTEN')).rejects.toThrow(CannotListen);
  await new Promise((resolve) => other.close(resolve));

  const file = join(folder, 'precious.txt');
  await writeFile(file, 'precious');
  await expect(listen(handler, { path: file }, 'POSTERN_LISTEN')).rejects.toThrow(/precious/);
  expect(await readFile(file, 'utf8')).toBe('precious');

  const path = join(folder, 'missing', 'gate.sock');
  await expect(listen(handler, { path }, 'POSTERN_LISTEN')).rejects.toThrow(/does not exist/);
});

test('listen: a request whose body does not arrive in time ends with 408', async () => {
  const ended: string[] = [];
  const waits: RequestListener = (request) => {
    request.resume().on('error', ({ code }: NodeJS.ErrnoException) => ended.push(String(code)));
  };
  const { server, port } = await started(waits, 60);
  onTestFinished(() => drain([server], 100));
  const socket = connect(port, '127.0.0.1');
  socket.write('POST /tokens/batch HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n[');
  const [reply] = await once(socket, 'data');
  expect(String(reply)).toMatch(/^HTTP\/1\.1 408 /);
  await once(socket, 'close');
  await expect.poll(() => ended).toEqual(['ECONNRESET']);
});

/** Connections to 127.0.0.1 that the kernel has established, accepted or not: proc(5), net/tcp. */
function established(port: number): number {
  const listener = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const lines = readFileSync('/proc/net/tcp', 'latin1').trim().split('\n').slice(1);
  // The kernel may list a connection twice if others begin or end meanwhile.
  const clients = new Set<string>();
  for (const line of lines) {
    const [, local = '', remote, state] = line.trim().split(/\s+/);
    if (remote === listener && state === '01') clients.add(local);
  }
  return clients.size;
}

// If the queue of the listener is full, the kernel tries again after a second. nginx waits no longer than
// that (`proxy_connect_timeout 1s`), so each such connection would get 503.
test.runIf(process.platform === 'linux')(
  'listen: a thousand connections are established before the first is accepted',
  async () => {
    const { server, port } = await started(handler);
    const sockets = Array.from({ length: 1000 }, () => connect(port, '127.0.0.1'));
    try {
      // Node.js connects in the next tick, and accepts only after that.
      await new Promise<void>((resolve) => process.nextTick(resolve));
      expect(established(port)).toBe(1000);
    } finally {
      for (const socket of sockets) socket.destroy();
      await drain([server], 100);
    }
  },
);

const answers: RequestListener = (_, response) => response.writeHead(204).end();

/** The port of a listener as that of the API. */
async function limitedForTest(handler: RequestListener): Promise<number> {
  const where = { host: '127.0.0.1', port: 0 };
  const server = await listenLimited(handler, where, 'POSTERN_API_LISTEN');
  onTestFinished(() => drain([server], 100));
  return (server.address() as AddressInfo).port;
}

// Node.js drops headers above its own limit. The last one is Authorization.
test.each([
  ['100 headers', { ...numbered(98), Authorization: 'last' }, 200],
  ['19 KB', { X: 'x'.repeat(19_000), Authorization: 'last' }, 200],
  ['101 headers', { ...numbered(99), Authorization: 'last' }, 431],
  ['1,900 headers', { ...numbered(1899), Authorization: 'last' }, 431],
  ['8,000 headers of a letter', { a: Array(8000).fill(''), Authorization: 'last' }, 431],
  ['21 KB', { X: 'x'.repeat(21_000), Authorization: 'last' }, 431],
])('listenLimited: a request with %s arrives whole, or is refused', async (_, headers, status) => {
  const port = await limitedForTest(({ headers: { authorization } }, response) =>
    response.end(authorization),
  );
  const { status: answered, text } = await sendRaw(port, requestBytes('GET', '/', headers));
  expect([answered, text]).toEqual([status, status === 200 ? 'last' : '']);
});

function numbered(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [`X${i}`, '1']));
}

test('listenLimited: closes a connection with more than 16 requests ahead, and no other', async () => {
  const responses: ServerResponse[] = [];
  const hold: RequestListener = (_, response) => void responses.push(response);
  const port = await limitedForTest(hold);
  const request = requestBytes('GET', '/');
  const kept = await openRaw(port);
  // One after the other, there is no limit.
  for (let i = 0; i < 40; i += 1) {
    const sent = kept.send(request);
    await vi.waitUntil(() => responses.length === i + 1);
    responses[i]?.writeHead(204).end();
    expect((await sent).status).toBe(204);
  }
  const flood = await openRaw(port);
  flood.socket.write(Buffer.concat(Array.from({ length: 100 }, () => request)));
  await once(flood.socket, 'close');
  expect(responses).toHaveLength(40 + 16);
  const sent = kept.send(request);
  await vi.waitUntil(() => responses.length === 57);
  responses[56]?.writeHead(204).end();
  expect((await sent).status).toBe(204);
});

// nginx may have sent a request by the time it learns that its connection is closed, and a client gets 503.
test('drain: a keep-alive connection is answered with Connection: close', async () => {
  const { server, port } = await started(answers);
  const kept = await openRaw(port);
  const before = await kept.send(requestBytes('GET', '/'));
  expect([before.status, before.header('connection')]).toEqual([204, 'keep-alive']);

  const drained = drain([server], 4000);
  const after = await kept.send(requestBytes('GET', '/'));
  expect([after.status, after.header('connection')]).toEqual([204, 'close']);
  await once(kept.socket, 'close');
  await drained;
});

test('drain: an idle connection stays open for half a second', async () => {
  const { server, port } = await started(answers);
  const [asking, idle] = [await openRaw(port), await openRaw(port)];
  for (const kept of [asking, idle]) await kept.send(requestBytes('GET', '/'));
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] });
  onTestFinished(() => void vi.useRealTimers());

  const drained = drain([server], 4000);
  vi.advanceTimersByTime(499);
  const { status } = await asking.send(requestBytes('GET', '/'));
  expect([status, idle.socket.readyState]).toEqual([204, 'open']);
  const closed = once(idle.socket, 'close');
  vi.advanceTimersByTime(100);
  await closed;
  await drained;
});

// While no process accepts on the gate's socket, each download waits.
test('drain: the gate listens until all others have ended, and an incomplete request gets 408', async () => {
  const reads: RequestListener = (request) => void request.resume();
  const [{ server: gate }, { server: api, port }] = [await started(answers), await started(reads)];
  // The first one sends nothing.
  const [, client] = [connect(port, '127.0.0.1'), connect(port, '127.0.0.1')];
  client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{');
  const reply = once(client, 'data');
  let gateListened = false;
  const before = once(api, 'close').then(async () => {
    await new Promise(setImmediate);
    gateListened = gate.listening;
  });
  await drain([gate, api], 60_000, before);
  expect(gateListened).toBe(true);
  expect(String(await reply)).toMatch(/^HTTP\/1\.1 408 /);
});
