import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { openStore } from '../../../service/store/open.ts';
import { startRedis } from '../../harness/redis.ts';
import { waitFor } from '../../harness/wait.ts';
import { observerOf } from '../observer.ts';

const log = pino({ level: 'silent' });

test('store: memory is connected from the start', () => {
  const told: boolean[] = [];
  const observer = observerOf({ connected: (up) => void told.push(up) });
  openStore({ url: 'memory:', prefix: '', timeoutMs: 250 }, log, observer);
  expect(told).toEqual([true]);
});

test('store: a connect and a disconnect of Redis are reported without any request', async () => {
  const redis = await startRedis();
  let connected: boolean | undefined;
  const observer = observerOf({
    connected(up) {
      connected = up;
    },
  });
  const options = { url: redis.url, prefix: 'postern:', timeoutMs: 250 };
  const store = openStore(options, log, observer);
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

test('store: each check is reported, so that a failed request does not count until the next one', async () => {
  const redis = await startRedis();
  const told: boolean[] = [];
  const observer = observerOf({ connected: (up) => void told.push(up) });
  const options = { url: redis.url, prefix: 'postern:', timeoutMs: 5_000, checkEveryMs: 20 };
  const store = openStore(options, log, observer);
  onTestFinished(async () => {
    await store.close();
    await redis.stop();
  });
  await waitFor(() => told.filter((up) => up).length > 2, { what: 'several checks' });
});
