import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Counter, Gauge, type Registry } from 'prom-client';

export type ObservedProcess = Pick<NodeJS.Process, 'cpuUsage' | 'memoryUsage' | 'uptime'>;

/** How often the delay of the event loop is sampled. A sample costs some microseconds. */
const SAMPLE_MS = 20;

/** Metrics under the usual names for Node.js, read when Prometheus asks. */
export function watchProcess(
  registry: Registry,
  { cpuUsage, memoryUsage, uptime }: ObservedProcess,
): void {
  const registers = [registry];
  const started = Date.now() / 1000 - uptime();

  new Counter({
    name: 'process_cpu_seconds_total',
    help: 'CPU time of the process, user and system.',
    registers,
    collect() {
      const { user, system } = cpuUsage();
      this.reset();
      this.inc((user + system) / 1e6);
    },
  });
  new Gauge({
    name: 'process_start_time_seconds',
    help: 'Start time of the process in seconds since 1970.',
    registers,
  }).set(started);
  new Gauge({
    name: 'process_resident_memory_bytes',
    help: 'Resident memory of the process.',
    registers,
    collect() {
      this.set(memoryUsage.rss());
    },
  });
  new Gauge({
    name: 'nodejs_heap_size_used_bytes',
    help: 'Used size of the JavaScript heap.',
    registers,
    collect() {
      this.set(memoryUsage().heapUsed);
    },
  });
  watchEventLoop(registry);
}

/** How late timers were since the last scrape: during that time nothing else was answered. */
function watchEventLoop(registry: Registry): void {
  const delay = monitorEventLoopDelay({ resolution: SAMPLE_MS });
  delay.enable();
  // The histogram holds the time between two samples, in nanoseconds.
  const late = (nanoseconds: number) => Math.max(0, nanoseconds / 1e9 - SAMPLE_MS / 1000);
  const registers = [registry];
  new Gauge({
    name: 'nodejs_eventloop_lag_p99_seconds',
    help: '99th percentile of the event loop delay since the last scrape.',
    registers,
    collect() {
      this.set(late(delay.percentile(99)));
    },
  });
  new Gauge({
    name: 'nodejs_eventloop_lag_max_seconds',
    help: 'Longest event loop delay since the last scrape.',
    registers,
    collect() {
      this.set(late(delay.max));
      // Metrics are collected in the order of registration, and this is the last.
      delay.reset();
    },
  });
}
