import { expect, onTestFinished, test } from 'vitest';
import { cpuSeconds, measured, peakBytes, residentBytes } from '../../bench/processes.ts';
import { launch } from '../harness/process.ts';
import { waitFor } from '../harness/wait.ts';

test('a process group includes the processes that it started', async () => {
  // The shell's child has 64 MB, the shell itself hardly any.
  const child = `node -e "global.kept = Buffer.alloc(64e6, 1); console.log(1); setInterval(() => {}, 1e6)"`;
  const running = await launch({
    name: 'shell',
    path: '/bin/sh',
    args: ['-c', `${child}; true`],
    env: { PATH: `${process.execPath.replace(/\/[^/]+$/, '')}:${process.env.PATH}` },
  });
  onTestFinished(async () => void (await running.stop()));
  await running.ready(() => running.stdout() !== '', { what: 'the child' });
  expect(residentBytes(running.pid)).toBeGreaterThan(64e6);
  expect(peakBytes(running.pid)).toBeGreaterThanOrEqual(residentBytes(running.pid));
  expect(cpuSeconds(running.pid)).toBeGreaterThan(0);
});

test('CPU time per request is the CPU time divided by the number of requests', async () => {
  const args = ['-c', 'while :; do :; done'];
  const running = await launch({ name: 'shell', path: '/bin/sh', args, env: {} });
  onTestFinished(async () => void (await running.stop()));
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

test('several process groups count together', async () => {
  const start = () => launch({ name: 'sleep', path: '/bin/sleep', args: ['60'], env: {} });
  const [first, second] = [await start(), await start()];
  onTestFinished(async () => void (await Promise.all([first.stop(), second.stop()])));
  const both = residentBytes([first.pid, second.pid]);
  expect(both).toBe(residentBytes(first.pid) + residentBytes(second.pid));
});
