import { expect, onTestFinished, test } from 'vitest';
import { cpuSeconds, peakBytes, residentBytes } from '../../bench/processes.ts';
import { launch } from '../../dev/process.ts';

test('a group is counted with the processes that it started', async () => {
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
