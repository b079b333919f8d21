import { rm } from 'node:fs/promises';
import { expect, onTestFinished, test } from 'vitest';
import { temporaryFolder } from '../harness/paths.ts';
import { ask, startRedis } from '../harness/redis.ts';
import { forTest } from '../support/for-test.ts';
import { isGone } from './is-gone.ts';

const pong = '+PONG\r\n';

test('startRedis: restarts on the same port, also after a stop', async () => {
  const redis = await forTest(startRedis());
  const first = redis.pid;
  await redis.restart();
  expect(redis.pid).not.toBe(first);
  expect(isGone(first)).toBe(true);
  expect(await ask(redis.port, 'PING')).toBe(pong);

  await redis.stop();
  await redis.restart();
  expect(await ask(redis.port, 'PING')).toBe(pong);
});

test('startRedis: stops while paused', async () => {
  const redis = await startRedis();
  redis.pause();
  await redis.stop();
  expect(isGone(redis.pid)).toBe(true);
});

test('startRedis: a port in use rejects with the message of Redis', async () => {
  const redis = await forTest(startRedis());
  await expect(startRedis({ port: redis.port })).rejects.toThrow(/exited with code 1.*in use/is);
});

test('startRedis: with a folder, it keeps its data and its role after SIGKILL', async () => {
  const folder = await temporaryFolder();
  const redis = await startRedis({ folder, args: ['--appendonly', 'yes'] });
  onTestFinished(async () => {
    await redis.stop();
    await rm(folder, { recursive: true });
  });
  await ask(redis.port, 'SET key kept');
  await ask(redis.port, 'CONFIG SET maxclients 77');
  await ask(redis.port, 'CONFIG REWRITE');
  await redis.kill();
  expect(isGone(redis.pid)).toBe(true);
  await redis.restart();
  // It answers LOADING first.
  await expect.poll(() => ask(redis.port, 'GET key')).toBe('$4\r\nkept\r\n');
  expect(await ask(redis.port, 'CONFIG GET maxclients')).toContain('77');
});
