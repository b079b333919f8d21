import type { Variant } from '../backend.ts';
import type { Measured } from '../load/measured.ts';
import type { Rounds } from '../workloads/rounds.ts';
import type { Served } from '../workloads/serve.ts';
import { figures, medianOf, ratioOf, shown, spreadOf } from './rounds.ts';
import { megabytes, type Table, thousands } from './table.ts';

type Titled = Pick<Variant, 'id' | 'title'>;

/** Requests per second and CPU time, at 32 and at 256 connections. */
export function serveTable(variants: readonly Titled[], rounds: Rounds<Served>): Table {
  const at32 = (id: string) => figures(rounds, id, (each) => each.at32.perSecond);
  const head = ['1 KiB file', 'requests/s', 'min–max', '÷ static', '÷ ceiling', '256 conn.'];
  const lines = variants.map(({ id, title }) => [
    title,
    ...rateCells(at32(id)),
    shown(ratioOf(at32(id), at32('static'))),
    shown(ratioOf(at32(id), at32('ceiling'))),
    thousands(medianOf(figures(rounds, id, (each) => each.at256.perSecond)) ?? 0),
    ...cpuCells((rounds[id] ?? []).map((each) => each.at32)),
  ]);
  return [[...head, ...CPU_HEAD], ...lines];
}

/** Latency at half of the capacity; start time and memory of the service. */
export function costTable(variants: readonly Titled[], rounds: Rounds<Served>): Table {
  const head = [
    'at half of that rate',
    'requests/s',
    'p50 ms',
    'p99 ms',
    'start ms',
    'idle MB',
    'peak MB',
  ];
  const lines = variants.map(({ id, title }) => {
    const of = (figure: (each: Served) => number | undefined) =>
      medianOf(figures(rounds, id, figure));
    const [idle, peak] = [of((each) => each.idleBytes), of((each) => each.peakBytes)];
    return [
      title,
      thousands(of((each) => each.half.rate) ?? 0),
      shown(of((each) => each.half.p50)),
      shown(of((each) => each.half.p99)),
      shown(
        of((each) => each.startMs),
        0,
      ),
      idle === undefined ? '–' : megabytes(idle),
      peak === undefined ? '–' : megabytes(peak),
    ];
  });
  return [head, ...lines];
}

const PROCESSES = ['nginx', 'service', 'redis'];

export const CPU_HEAD = PROCESSES.map((name) => `${name} µs`);

export function cpuCells(measured: readonly Pick<Measured, 'cpu'>[]): string[] {
  return PROCESSES.map((name) => {
    const spent = measured.map(({ cpu }) => cpu[name]).filter((value) => value !== undefined);
    return shown(medianOf(spent), 0);
  });
}

export function rateCells(values: readonly number[]): [string, string] {
  const rate = spreadOf(values);
  if (rate === undefined) return ['–', '–'];
  return [thousands(rate.median), `${thousands(rate.min)}–${thousands(rate.max)}`];
}
