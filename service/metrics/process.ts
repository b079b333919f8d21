import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Counter, type Registry } from 'prom-client';
import type { Instruments } from './instruments.ts';

export type ObservedProcess = Pick<NodeJS.Process, 'cpuUsage' | 'memoryUsage' | 'uptime'>;

/** How often the delay of the event loop is sampled. A sample costs some microseconds. */
const SAMPLE_MS = 20;

/** Metrics under the usual names for Node.js, read when Prometheus scrapes. */
export function watchProcess(
  registry: Registry,
  { gauge }: Instruments,
  { cpuUsage, memoryUsage, uptime }: ObservedProcess,
): void {
  const started = Date.now() / 1000 - uptime();
  new Counter({
    name: 'process_cpu_seconds_total',
    help: 'CPU time of the process, user and system.',
    registers: [registry],
    collect() {
      const { user, system } = cpuUsage();
      this.reset();
      this.inc((user + system) / 1e6);
    },
  });
  gauge(
    'process_start_time_seconds',
    'Start time of the process in seconds since 1970.',
    () => started,
  );
  gauge('process_resident_memory_bytes', 'Resident memory of the process.', () =>
    memoryUsage.rss(),
  );
  gauge(
    'nodejs_heap_size_used_bytes',
    'Used size of the JavaScript heap.',
    () => memoryUsage().heapUsed,
  );

  // How late timers were since the last scrape: during this time, the process answered no request.
  const delay = monitorEventLoopDelay({ resolution: SAMPLE_MS });
  delay.enable();
  // The histogram holds the time between two samples, in nanoseconds.
  const late = (nanoseconds: number) => Math.max(0, nanoseconds / 1e9 - SAMPLE_MS / 1000);
  gauge(
    'nodejs_eventloop_lag_p99_seconds',
    '99th percentile of the event loop delay since the last scrape.',
    () => late(delay.percentile(99)),
  );
  gauge(
    'nodejs_eventloop_lag_max_seconds',
    'Longest event loop delay since the last scrape.',
    () => {
      const max = late(delay.max);
      // Metrics are collected in the order of registration, and this is the last.
      delay.reset();
      return max;
    },
  );
}
