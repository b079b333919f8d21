import { EventEmitter } from 'node:events';
import { expect, test } from 'vitest';
import { watchHangup } from '../service/process/signals.ts';

/** Reloads that end when the test says so. */
function watched() {
  const process = new EventEmitter();
  const ends: Array<() => void> = [];
  const hangup = watchHangup(process as NodeJS.Process);
  const reload = () => new Promise<void>((resolve) => ends.push(resolve));
  return {
    signal: () => process.emit('SIGHUP'),
    start: () => hangup.start(reload),
    stop: hangup.stop,
    /** Ends the reload that runs, and waits for the next one to begin. */
    async end() {
      ends.at(-1)?.();
      await new Promise(setImmediate);
    },
    async begun() {
      await new Promise(setImmediate);
      return ends.length;
    },
  };
}

test('SIGHUP: signals before the start cause one reload after it', async () => {
  const { signal, start, begun, end } = watched();
  for (let i = 0; i < 3; i += 1) signal();
  expect(await begun()).toBe(0);
  start();
  expect(await begun()).toBe(1);
  await end();
  expect(await begun()).toBe(1);
});

test('SIGHUP: without a signal nothing is reloaded', async () => {
  const { start, begun } = watched();
  start();
  expect(await begun()).toBe(0);
});

test('SIGHUP: reloads run one at a time, and signals during one cause one more', async () => {
  const { signal, start, begun, end } = watched();
  start();
  signal();
  expect(await begun()).toBe(1);
  for (let i = 0; i < 5; i += 1) signal();
  expect(await begun()).toBe(1);
  await end();
  expect(await begun()).toBe(2);
  await end();
  expect(await begun()).toBe(2);
  signal();
  expect(await begun()).toBe(3);
});

test('SIGHUP: after stop no reload begins', async () => {
  const { signal, start, stop, begun, end } = watched();
  start();
  signal();
  expect(await begun()).toBe(1);
  signal();
  stop();
  await end();
  signal();
  expect(await begun()).toBe(1);
});
