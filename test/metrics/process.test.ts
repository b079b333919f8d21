import { expect, test } from 'vitest';
import { createMetrics } from '../../service/metrics/metrics.ts';
import { samplesOf } from '../support/samples.ts';

test('the process says how it is when it is asked', async () => {
  let micros = 1_000_000;
  const memoryUsage = Object.assign(() => ({ ...process.memoryUsage(), heapUsed: 5 }), {
    rss: () => 7,
  });
  const cpuUsage = () => ({ user: micros, system: 500_000 });
  const metrics = createMetrics({ version: '0.0.0', node: 'v20.0.0' });
  metrics.watchProcess({ cpuUsage, memoryUsage, uptime: () => 100 });
  const value = async (name: string) => samplesOf(await metrics.text()).get(name);

  expect(await value('process_cpu_seconds_total')).toBe(1.5);
  micros += 250_000;
  expect(await value('process_cpu_seconds_total')).toBe(1.75);
  expect(await value('process_resident_memory_bytes')).toBe(7);
  expect(await value('nodejs_heap_size_used_bytes')).toBe(5);
  const age = Date.now() / 1000 - ((await value('process_start_time_seconds')) ?? 0);
  expect(Math.abs(age - 100)).toBeLessThan(5);
});

test('a busy event loop is late, and is not so for ever', async () => {
  const metrics = createMetrics({ version: '0.0.0', node: 'v20.0.0' });
  metrics.watchProcess(process);
  const late = async () => samplesOf(await metrics.text()).get('nodejs_eventloop_lag_max_seconds');
  // Once round, or the first measurement has nothing before it.
  await expect.poll(late).toBeGreaterThanOrEqual(0);
  await new Promise((resolve) => setTimeout(resolve, 50));
  const began = performance.now();
  while (performance.now() - began < 200);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(await late()).toBeGreaterThan(0.1);
  await expect.poll(late).toBeLessThan(0.1);
});
