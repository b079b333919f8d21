import { Counter, type Registry } from 'prom-client';
import { tableOf } from './table.ts';

/**
 * A counter with one label, and a child for each value that it can ever have. All begin at 0: a
 * series that first appears at 1 has no rise that Prometheus could see.
 */
export function countsBy<Value extends string>(
  registry: Registry,
  about: { readonly name: string; readonly help: string; readonly label: string },
  values: readonly Value[],
): Readonly<Record<Value, Counter.Internal>> {
  const { name, help, label } = about;
  const counter = new Counter({ name, help, labelNames: [label], registers: [registry] });
  return tableOf(values, (value) => fromZero(counter.labels(value)));
}

export function fromZero(child: Counter.Internal): Counter.Internal {
  child.inc(0);
  return child;
}
