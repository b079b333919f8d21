import type { Metric, Registry } from 'prom-client';
import { tableOf } from './table.ts';

/** Seconds: from a decision in memory to the 2 s that nginx waits for one. */
const BOUNDS = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2,
];

export interface Times {
  observe(seconds: number): void;
}

interface About {
  readonly name: string;
  readonly help: string;
  readonly label: string;
}

/**
 * A histogram with one label, and its series for each value that it can ever have. prom-client's own
 * makes objects and hashes its labels at each observation, 0.4 µs; this takes a tenth of that, and
 * prom-client only writes it out.
 */
export function timesBy<Value extends string>(
  registry: Registry,
  { name, help, label }: About,
  values: readonly Value[],
): Readonly<Record<Value, Times>> {
  const series = tableOf(values, createSeries);
  const get = async () => ({
    name,
    help,
    type: 'histogram',
    values: values.flatMap((value) => series[value].samples(name, { [label]: value })),
  });
  // Of a metric the registry asks no more than this.
  registry.registerMetric({ name, get } as unknown as Metric);
  return series;
}

function createSeries() {
  /** One for each bound, and one for what is above them all. */
  const counts = new Float64Array(BOUNDS.length + 1);
  let sum = 0;

  return {
    observe(seconds: number): void {
      let bucket = 0;
      for (const bound of BOUNDS) {
        if (seconds <= bound) break;
        bucket += 1;
      }
      counts[bucket] = (counts[bucket] as number) + 1;
      sum += seconds;
    },

    /** As Prometheus has it: a bucket also counts what is in those below it. */
    samples(name: string, labels: Readonly<Record<string, string>>) {
      let count = 0;
      const buckets = [...BOUNDS, '+Inf'].map((le, bucket) => {
        count += counts[bucket] as number;
        return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: count };
      });
      return [
        ...buckets,
        { metricName: `${name}_sum`, labels, value: sum },
        { metricName: `${name}_count`, labels, value: count },
      ];
    },
  };
}
