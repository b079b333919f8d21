import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/**
 * A counter. Returns a function that makes its child for a value of each label, which starts at 0:
 * Prometheus sees no increase in a series that first appears at 1.
 */
export function counts(registry: Registry, name: string, help: string, ...labelNames: string[]) {
  const counter = new Counter({ name, help, labelNames, registers: [registry] });
  return (...values: string[]) => {
    const child = counter.labels(...values);
    child.inc(0);
    return child;
  };
}

/** Seconds: from a decision with the memory store to the 2 s that nginx waits for one. */
const BUCKETS = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2,
];

/** A histogram with one label. Returns a function that makes its child for a value, which starts at 0. */
export function times(registry: Registry, name: string, help: string, label: string) {
  const registers = [registry];
  const histogram = new Histogram({ name, help, labelNames: [label], buckets: BUCKETS, registers });
  return (value: string) => {
    histogram.zero({ [label]: value });
    return histogram.labels(value);
  };
}

/** A gauge whose value is read when Prometheus asks. */
export function gauge(registry: Registry, name: string, help: string, read: () => number): void {
  const collect = function (this: Gauge) {
    this.set(read());
  };
  new Gauge({ name, help, registers: [registry], collect });
}
