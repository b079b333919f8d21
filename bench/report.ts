import type { Measurement } from './measure.ts';
import { median, ratio, type Spread, spread } from './stats.ts';
import type { Variant } from './variants.ts';

export interface Row {
  readonly id: string;
  readonly title: string;
  readonly perSecond: Spread;
  readonly toStatic: number;
  readonly toCeiling: number;
  /** To an opaque token on Redis. */
  readonly toRedis: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  /** CPU microseconds a request, by process. */
  readonly cpu: Readonly<Record<string, number>>;
}

/** `rounds` holds each variant's measurements, by its id, in the order of the rounds. */
export function summarize(
  variants: readonly Pick<Variant, 'id' | 'title'>[],
  rounds: Readonly<Record<string, readonly Measurement[]>>,
): Row[] {
  const rates = (id: string) => (rounds[id] ?? []).map((each) => each.perSecond);
  return variants.map(({ id, title }) => {
    const each = rounds[id] ?? [];
    const processes = Object.keys(each[0]?.cpu ?? {});
    return {
      id,
      title,
      perSecond: spread(rates(id)),
      toStatic: ratio(rates(id), rates('static')),
      toCeiling: ratio(rates(id), rates('ceiling')),
      toRedis: ratio(rates(id), rates('redis')),
      p50: median(each.map(({ p50 }) => p50)),
      p99: median(each.map(({ p99 }) => p99)),
      cpu: Object.fromEntries(
        processes.map((name) => [name, median(each.map(({ cpu }) => (cpu[name] ?? 0) * 1e6))]),
      ),
    };
  });
}

const PROCESSES = ['nginx', 'service', 'redis'];

/** The rows as an aligned table for a terminal. */
export function table(rows: readonly Row[]): string {
  const head = [
    '',
    'requests/s',
    'min–max',
    '÷ static',
    '÷ ceiling',
    '÷ Redis',
    'p50 ms',
    'p99 ms',
  ];
  const cells = rows.map((row) => [
    row.title,
    thousands(row.perSecond.median),
    `${thousands(row.perSecond.min)}–${thousands(row.perSecond.max)}`,
    row.toStatic.toFixed(2),
    row.toCeiling.toFixed(2),
    row.toRedis.toFixed(2),
    row.p50.toFixed(2),
    row.p99.toFixed(2),
    ...PROCESSES.map((name) => row.cpu[name]?.toFixed(1) ?? '–'),
  ]);
  return align([[...head, ...PROCESSES.map((name) => `${name} µs`)], ...cells]);
}

function thousands(value: number): string {
  return Math.round(value).toLocaleString('en');
}

/** The first column to the left, the others to the right. */
function align(lines: readonly string[][]): string {
  const widths = lines[0]?.map((_, i) => Math.max(...lines.map((line) => line[i]?.length ?? 0)));
  return lines
    .map((line) =>
      line
        .map((cell, i) =>
          i === 0 ? cell.padEnd(widths?.[i] ?? 0) : cell.padStart(widths?.[i] ?? 0),
        )
        .join('  '),
    )
    .join('\n');
}
