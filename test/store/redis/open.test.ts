import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { startRedis } from '../../../dev/redis.ts';
import { waitFor } from '../../../dev/wait.ts';
import { openStore } from '../../../service/store/store.ts';

const log = pino({ level: 'silent' });

test('store: memory is connected from the start', () => {
  const told: boolean[] = [];
  openStore({ url: 'memory:', prefix: '', timeoutMs: 250 }, log, (up) => void told.push(up));
  expect(told).toEqual([true]);
});

test('store: a connect and a disconnect of Redis are reported without any request', async () => {
  const redis = await startRedis();
  let connected: boolean | undefined;
  const store = openStore({ url: redis.url, prefix: 'postern:', timeoutMs: 250 }, log, (up) => {
    connected = up;
  });
  onTestFinished(async () => {
    await store.close();
    await redis.stop();
  });
  await waitFor(() => connected === true, { what: 'the connection' });
  await redis.stop();
  await waitFor(() => connected === false, { what: 'its loss' });
  await redis.restart();
  await waitFor(() => connected === true, { what: 'its return' });
});
