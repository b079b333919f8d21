import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { downloadAll } from '../../bench/load/download.ts';
import { steady } from '../../bench/load/steady.ts';
import { parseWrk } from '../../bench/load/wrk.ts';

async function serve(answer: RequestListener): Promise<number> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

test('steady: requests are sent at the rate, with their latency', async () => {
  let asked = 0;
  const port = await serve((_, response) => {
    asked += 1;
    response.setHeader('Content-Length', 6);
    response.write('in ');
    setImmediate(() => response.end('two'));
  });
  const latency = await steady({ port, path: '/', rate: 1000, seconds: 0.2 });
  // The first half second is not measured.
  expect(latency.requests).toBeGreaterThan(0);
  expect(asked).toBeGreaterThan(latency.requests);
  expect(latency.p99).toBeGreaterThanOrEqual(latency.p50);
});

test('steady: a denial is an error', async () => {
  const port = await serve((_, response) => response.writeHead(403, { 'Content-Length': 0 }).end());
  const load = steady({ port, path: '/', rate: 1000, seconds: 0.2 });
  await expect(load).rejects.toThrow(/403 Forbidden/);
});

test('download: every byte is counted', async () => {
  const body = Buffer.alloc(3_000_000);
  const port = await serve((request, response) => {
    if (request.url === '/denied') response.writeHead(401).end();
    else response.setHeader('Content-Length', body.length).end(body);
  });
  const seconds = await downloadAll(port, ['/a', '/b', '/c'], body.length);
  expect(seconds).toBeGreaterThan(0);
  await expect(downloadAll(port, ['/a'], body.length + 1)).rejects.toThrow(/3000000 of 3000001/);
  await expect(downloadAll(port, ['/denied'], 0)).rejects.toThrow(/401/);
});

const SAID = `Running 2s test @ http://127.0.0.1:80/
  Latency Distribution
     50%  812.00us
     75%    1.00ms
     90%    1.50ms
     99%    2.25ms
  40000 requests in 2.00s, 10.00MB read
`;
const RATE = 'Requests/sec:  20000.50\nTransfer/sec:      5.00MB\n';

test('wrk: latency is read in milliseconds, and a denial is an error', () => {
  const read = { requests: 40_000, perSecond: 20_000.5, p50: 0.812, p99: 2.25 };
  expect(parseWrk(SAID + RATE)).toEqual(read);
  const failures = [
    '  Non-2xx or 3xx responses: 1\n',
    '  Socket errors: connect 0, read 1, write 0, timeout 0\n',
  ];
  for (const failure of failures)
    expect(() => parseWrk(SAID + failure + RATE)).toThrow('the load test failed');
});
