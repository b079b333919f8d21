import type { Measured } from '../load/measured.ts';
import type { Results } from '../results.ts';
import type { Downloaded } from '../workloads/download.ts';
import type { Issued } from '../workloads/issue.ts';
import type { Rounds } from '../workloads/rounds.ts';
import type { Served } from '../workloads/serve.ts';
import { figures, medianOf, ratioOf } from './rounds.ts';

export interface Target {
  readonly what: string;
  /** The bound: `least` for ratios, `most` for costs. */
  readonly least?: number;
  readonly most?: number;
  /** Undefined if it was not measured. */
  readonly measured: number | undefined;
}

/** The targets for Postern, mostly ratios within one run on two cores. */
export function targets(results: Results): Target[] {
  const { serve, issue, growth } = results;
  const rate = (id: string) => figures(serve, id, (each: Served) => each.at32.perSecond);
  const fresh = (id: string) => figures(issue, id, (each: Issued) => each.fresh.perSecond);
  const grown = (tokens: number) =>
    figures(growth, String(tokens), (each: Measured) => each.perSecond);
  const of = (figure: (each: Served) => number | undefined) =>
    medianOf(figures(serve, 'redis', figure));
  const whole = nonEmpty(results.downloadWhole) ?? results.download;
  const speed = (id: string) => figures(whole, id, (each: Downloaded) => each.bytesPerSecond);
  const idle = of((each) => each.idleBytes);
  const peak = of((each) => each.peakBytes);
  const least = (what: string, floor: number, measured: number | undefined): Target => {
    return { what, least: floor, measured };
  };
  const most = (what: string, ceiling: number, measured: number | undefined): Target => {
    return { what, most: ceiling, measured };
  };
  return [
    least('Redis ÷ ceiling', 0.65, ratioOf(rate('redis'), rate('ceiling'))),
    least('decision cache ÷ static', 0.65, ratioOf(rate('cache'), rate('static'))),
    least('decision cache ÷ Lua + Redis', 1.1, ratioOf(rate('cache'), rate('lua'))),
    least('Redis ÷ Django X-Accel', 5, ratioOf(rate('redis'), rate('django'))),
    least('fresh tokens, Redis ÷ Django', 4, ratioOf(fresh('redis'), fresh('django'))),
    least('100 downloads, Redis ÷ bare nginx', 0.95, ratioOf(speed('redis'), speed('static'))),
    most('100 downloads, CPU of Postern ÷ Express', 0.01, cpuRatio(results)),
    least('1,000,000 live tokens ÷ 1,000', 0.9, ratioOf(grown(1_000_000), grown(1_000))),
    most('memory idle, MB', 100, idle && idle / 1e6),
    most('memory at full load, MB', 160, peak && peak / 1e6),
    most(
      'start to first answer, ms',
      500,
      of((each) => each.startMs),
    ),
  ];
}

export function isReached({ least, most, measured }: Target): boolean | undefined {
  if (measured === undefined) return undefined;
  return measured >= (least ?? -Infinity) && measured <= (most ?? Infinity);
}

/**
 * CPU time of the application's process. Express is measured with a smaller file and extrapolated.
 * Postern is measured with the whole file, if that workload ran.
 */
function cpuRatio({ download, downloadWhole }: Results): number | undefined {
  const whole = nonEmpty(downloadWhole) ?? download;
  const bytes = whole.redis?.[0]?.bytes;
  const postern = medianOf(figures(whole, 'redis', ({ cpu }) => cpu.service));
  const express = medianOf(figures(download, 'express', (each) => extrapolated(each, bytes)));
  return postern === undefined || express === undefined ? undefined : postern / express;
}

/** The service's CPU seconds, extrapolated to a file of `to` bytes. */
export function extrapolated({ bytes, cpu }: Downloaded, to = bytes): number | undefined {
  return cpu.service === undefined ? undefined : cpu.service * (to / bytes);
}

function nonEmpty<R>(rounds: Rounds<R>): Rounds<R> | undefined {
  return Object.values(rounds).some((each) => each.length > 0) ? rounds : undefined;
}
