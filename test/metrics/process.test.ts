import { expect, onTestFinished, test, vi } from 'vitest';
import { createMetrics } from '../../service/metrics/metrics.ts';
import { waitFor } from '../harness/wait.ts';
import { samplesOf } from '../support/samples.ts';

test('metrics: each scrape reads CPU time, memory and start time of the process', async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: 1_800_000_000_000 });
  onTestFinished(() => void vi.useRealTimers());
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
  expect(await value('process_start_time_seconds')).toBe(1_800_000_000 - 100);
});

test('metrics: the event loop delay is that since the last scrape', async () => {
  const metrics = createMetrics({ version: '0.0.0', node: 'v20.0.0' });
  metrics.watchProcess(process);
  const late = async () => samplesOf(await metrics.text()).get('nodejs_eventloop_lag_max_seconds');
  const turns = () => new Promise((resolve) => setTimeout(resolve, 50));
  const nothing = new Int32Array(new SharedArrayBuffer(4));
  const whenBlocked = await waitFor(
    async () => {
      // A scrape starts a new measurement: one timer before the block, and one after it.
      await turns();
      Atomics.wait(nothing, 0, 0, 200);
      await turns();
      const delay = (await late()) ?? 0;
      return delay > 0.1 && delay;
    },
    { what: 'a delay' },
  );
  await expect.poll(late).toBeLessThan(whenBlocked);
});
