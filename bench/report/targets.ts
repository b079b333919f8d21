import { figures, median, ratios } from '../rounds.ts';
import type { Results } from '../run.ts';
import type { Downloaded, Issued, Served } from '../workloads.ts';

export interface Target {
  readonly what: string;
  /** The bound: `least` for ratios, `most` for costs. */
  readonly least?: number;
  readonly most?: number;
  /** What was measured in each round. Empty if it was not measured. */
  readonly rounds: readonly number[];
}

/** The targets for Postern, mostly ratios within one run on two cores. */
export function targets(results: Results): Target[] {
  const { serve, issue, download, downloadWhole, growth } = results;
  const rate = (id: string) => figures(serve, id, ({ at32 }) => at32.perSecond);
  const fresh = (id: string) => figures(issue, id, (each) => each.fresh.perSecond);
  const single = (id: string) => figures(issue, id, (each) => each.single.perSecond);
  const spent = (id: string) => figures(issue, id, ({ single: { cpu } }: Issued) => cpu.service);
  const grown = (tokens: number) => figures(growth, String(tokens), ({ perSecond }) => perSecond);
  const speed = (id: string) => figures(download, id, (each) => each.bytesPerSecond);
  const of = (figure: (each: Served) => number | undefined) => figures(serve, 'redis', figure);
  const whole = Object.keys(downloadWhole).length > 0 ? downloadWhole : download;
  const bytes = whole.redis?.[0]?.bytes;
  const own = median(figures(whole, 'redis', ({ cpu }) => cpu.service));
  const idle = of(({ idleBytes }) => idleBytes && idleBytes / 1e6);
  const peak = of((each) => each.peakBytes && each.peakBytes / 1e6);
  const start = of(({ startMs }) => startMs);
  // Express is measured with a smaller file.
  const express = figures(download, 'express', (each) => extrapolated(each, bytes));
  const shares = own === undefined ? [] : express.map((seconds) => own / seconds);
  const cpu = (id: string) =>
    figures(serve, id, ({ at32 }) => Object.values(at32.cpu).reduce((sum, each) => sum + each, 0));
  return [
    most('time of Redis ÷ own auth_request', 1.15, ratios(rate('own'), rate('redis'))),
    most('CPU of Redis ÷ own auth_request', 1.15, ratios(cpu('redis'), cpu('own'))),
    least(
      'decision cache ÷ Lua with lua_shared_dict',
      0.9,
      ratios(rate('cache'), rate('lua-cache')),
    ),
    least('Redis ÷ bare Node.js gate', 0.65, ratios(rate('redis'), rate('bare'))),
    least('issued only, Redis ÷ Express', 1.4, ratios(single('redis'), single('express'))),
    most('issued only, CPU of Redis ÷ Express', 0.65, ratios(spent('redis'), spent('express'))),
    least('issued and used once, Redis ÷ Django', 5, ratios(fresh('redis'), fresh('django'))),
    least('100 downloads, Redis ÷ bare nginx', 0.98, ratios(speed('redis'), speed('static'))),
    most('100 downloads, CPU of Postern ÷ Express', 0.01, shares),
    least('1,000,000 live tokens ÷ 1,000', 0.9, ratios(grown(1_000_000), grown(1_000))),
    most('memory idle, MB', 100, idle),
    most('memory at full load, MB', 160, peak),
    most('start to first answer, ms', 500, start),
  ];
}

const least = (what: string, bound: number, rounds: readonly number[]): Target => {
  return { what, least: bound, rounds };
};

const most = (what: string, bound: number, rounds: readonly number[]): Target => {
  return { what, most: bound, rounds };
};

/** Whether the median is in the bounds. Undefined if nothing was measured. */
export function isReached({ least: from = -Infinity, most: to = Infinity, rounds }: Target) {
  const measured = median(rounds);
  return measured === undefined ? undefined : measured >= from && measured <= to;
}

/** The service's CPU seconds, extrapolated to a file of `to` bytes. */
export function extrapolated({ bytes, cpu }: Downloaded, to = bytes): number | undefined {
  return cpu.service === undefined ? undefined : cpu.service * (to / bytes);
}
