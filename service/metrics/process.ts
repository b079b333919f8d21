import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Counter, Gauge, type Registry } from 'prom-client';

export type Process = Pick<NodeJS.Process, 'cpuUsage' | 'memoryUsage' | 'uptime'>;

/** How often the event loop is tried. Each time costs some microseconds, also while nothing is asked. */
const EVERY_MS = 20;

/** Under the names that other programs on Node have. Read when they are asked for. */
export function watchProcess(registry: Registry, { cpuUsage, memoryUsage, uptime }: Process): void {
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
    help: 'When the process began, in seconds since 1970.',
    registers,
  }).set(started);
  new Gauge({
    name: 'process_resident_memory_bytes',
    help: 'Memory of the process that is resident.',
    registers,
    collect() {
      this.set(memoryUsage.rss());
    },
  });
  new Gauge({
    name: 'nodejs_heap_size_used_bytes',
    help: 'What is in use of the JavaScript heap.',
    registers,
    collect() {
      this.set(memoryUsage().heapUsed);
    },
  });
  watchEventLoop(registry);
}

/** How late a timer was, since this was last asked: for so long nothing else was answered. */
function watchEventLoop(registry: Registry): void {
  const delay = monitorEventLoopDelay({ resolution: EVERY_MS });
  delay.enable();
  // It measures from one time to the next, in nanoseconds.
  const late = (nanoseconds: number) => Math.max(0, nanoseconds / 1e9 - EVERY_MS / 1000);
  const registers = [registry];
  new Gauge({
    name: 'nodejs_eventloop_lag_p99_seconds',
    help: 'How late the event loop was in the worst of 100 cases, since the last scrape.',
    registers,
    collect() {
      this.set(late(delay.percentile(99)));
    },
  });
  new Gauge({
    name: 'nodejs_eventloop_lag_max_seconds',
    help: 'How late the event loop was at the worst, since the last scrape.',
    registers,
    collect() {
      this.set(late(delay.max));
      // They are asked in the order in which they were made, and this is the last.
      delay.reset();
    },
  });
}
