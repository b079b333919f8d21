import type { RequestListener } from 'node:http';
import { expect, test } from 'vitest';
import { downloadAll } from '../../bench/load/download.ts';
import { steady } from '../../bench/load/steady.ts';
import { forTest } from '../support/for-test.ts';
import { listening } from '../support/postern.ts';

const serve = async (answer: RequestListener) => (await forTest(listening(answer))).port;

test('steady: requests are sent at the rate, with their latency', async () => {
  let asked = 0;
  const port = await serve((_, response) => {
    asked += 1;
    response.setHeader('Content-Length', 6);
    response.write('in ');
    setImmediate(() => response.end('two'));
  });
  const latency = await steady(port, '/', 1000, 0.2);
  // The first half second is not measured.
  expect(latency.requests).toBeGreaterThan(0);
  expect(asked).toBeGreaterThan(latency.requests);
  expect(latency.p99).toBeGreaterThanOrEqual(latency.p50);
});

test('steady: a denial is an error', async () => {
  const port = await serve((_, response) => response.writeHead(403, { 'Content-Length': 0 }).end());
  const load = steady(port, '/', 1000, 0.2);
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
