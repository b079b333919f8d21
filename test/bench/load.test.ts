import type { RequestListener } from 'node:http';
import { expect, test } from 'vitest';
import { downloadAll } from '../../bench/load/download.ts';
import { steady } from '../../bench/load/steady.ts';
import { measured } from '../../bench/workloads.ts';
import { launch } from '../harness/process.ts';
import { cpuSeconds, peakBytes, residentBytes } from '../harness/usage.ts';
import { waitFor } from '../harness/wait.ts';
import { forTest } from '../support/for-test.ts';
import { listening } from '../support/postern.ts';

const serve = async (answer: RequestListener) => (await forTest(listening(answer))).port;

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

test('a process group includes the processes that it started', async () => {
  // The shell's child has 64 MB, the shell itself hardly any.
  const child = `node -e "global.kept = Buffer.alloc(64e6, 1); console.log(1); setInterval(() => {}, 1e6)"`;
  const running = await forTest(
    launch({
      name: 'shell',
      path: '/bin/sh',
      args: ['-c', `${child}; true`],
      env: { PATH: `${process.execPath.replace(/\/[^/]+$/, '')}:${process.env.PATH}` },
    }),
  );
  await running.ready(() => running.stdout() !== '', { what: 'the child' });
  expect(residentBytes(running.pid)).toBeGreaterThan(64e6);
  expect(peakBytes(running.pid)).toBeGreaterThanOrEqual(residentBytes(running.pid));
  expect(cpuSeconds(running.pid)).toBeGreaterThan(0);
});

test('CPU time per request is the CPU time divided by the number of requests', async () => {
  const args = ['-c', 'while :; do :; done'];
  const running = await forTest(launch({ name: 'shell', path: '/bin/sh', args, env: {} }));
  const requests = 4;
  const { cpu } = await measured({ service: running.pid }, async () => {
    const before = cpuSeconds(running.pid);
    const isSpent = () => cpuSeconds(running.pid) - before >= 0.2;
    await waitFor(isSpent, { what: 'some time to be spent' });
    return { requests, perSecond: 1 };
  });
  const most = cpuSeconds(running.pid);
  expect(cpu.service).toBeGreaterThanOrEqual((0.2 / requests) * 1e6);
  expect(cpu.service).toBeLessThanOrEqual((most / requests) * 1e6);
});
