import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

interface OneLabel {
  readonly name: string;
  readonly help: string;
  readonly label: string;
}

/**
 * A counter with one label and a child for each value. All start at 0: Prometheus sees no increase in
 * a series that first appears at 1.
 */
export function countsBy<Value extends string>(
  registry: Registry,
  { name, help, label }: OneLabel,
  values: readonly Value[],
): Readonly<Record<Value, Counter.Internal>> {
  const counter = new Counter({ name, help, labelNames: [label], registers: [registry] });
  return tableOf(values, (value) => fromZero(counter.labels(value)));
}

export function fromZero(child: Counter.Internal): Counter.Internal {
  child.inc(0);
  return child;
}

/** Seconds: from a decision with the memory store to the 2 s that nginx waits for one. */
const BUCKETS = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2,
];

/** A histogram with one label and a child for each value. All start at 0. */
export function timesBy<Value extends string>(
  registry: Registry,
  { name, help, label }: OneLabel,
  values: readonly Value[],
): Readonly<Record<Value, Histogram.Internal<string>>> {
  const labelNames = [label];
  const registers = [registry];
  const histogram = new Histogram({ name, help, labelNames, buckets: BUCKETS, registers });
  return tableOf(values, (value) => {
    histogram.zero({ [label]: value });
    return histogram.labels(value);
  });
}

/** A gauge whose value is read when Prometheus asks. */
export function gauge(registry: Registry, name: string, help: string, read: () => number): void {
  const collect = function (this: Gauge) {
    this.set(read());
  };
  new Gauge({ name, help, registers: [registry], collect });
}

/** A value for each key, made once, so that a request only looks it up. */
export function tableOf<Key extends string, Value>(
  keys: readonly Key[],
  make: (key: Key) => Value,
): Readonly<Record<Key, Value>> {
  return Object.fromEntries(keys.map((key) => [key, make(key)])) as Record<Key, Value>;
}
