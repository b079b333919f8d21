import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { freePorts, onFreePorts } from '../harness/ports.ts';

test('freePorts: distinct, free, and below the range of outgoing connections', async () => {
  const ports = await freePorts(50);
  expect(new Set(ports).size).toBe(50);
  expect(ports.every((port) => port >= 20_000 && port < 32_768)).toBe(true);
  const server = createServer();
  await new Promise<void>((done) => server.listen(ports[0], '127.0.0.1', done));
  await new Promise((done) => server.close(done));
});

test.each([
  'bind() failed (98: Address already in use)',
  'Error: listen EADDRINUSE: address already in use 127.0.0.1:20000',
  'postern cannot listen on 127.0.0.1:20000: another process listens on it. See POSTERN_LISTEN.',
])('onFreePorts: tries other ports at most three times if a port is taken: %s', async (message) => {
  const tried: number[] = [];
  const start = (failures: number) => async (ports: number[]) => {
    tried.push(...ports);
    if (tried.length <= failures) throw new Error(message);
    return 'started';
  };
  expect(await onFreePorts(1, start(2))).toBe('started');
  expect(new Set(tried).size).toBe(3);
  tried.length = 0;
  await expect(onFreePorts(1, start(9))).rejects.toThrow(message);
  expect(tried.length).toBe(3);
});

test('onFreePorts: another error is not retried', async () => {
  let calls = 0;
  const start = async () => {
    calls += 1;
    throw new Error('unknown directive');
  };
  await expect(onFreePorts(1, start)).rejects.toThrow('unknown directive');
  expect(calls).toBe(1);
});
