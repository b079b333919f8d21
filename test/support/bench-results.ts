import type { Results } from '../../bench/run.ts';
import type { Downloaded, Served } from '../../bench/workloads.ts';

const EMPTY = { serve: {}, issue: {}, download: {}, downloadWhole: {}, growth: {} };
/** The results of a benchmark that measured nothing. */
export const NONE: Results = { ...EMPTY, failed: [] };

function load(perSecond: number) {
  return { requests: perSecond, perSecond, cpu: { nginx: 10, service: 20 } };
}

export function served(perSecond: number): Served {
  const half = { rate: perSecond / 2, requests: 100, p50: 1, p99: 2 };
  const loads = { at32: load(perSecond), at256: load(perSecond), half };
  return { ...loads, startMs: 300, idleBytes: 90e6, peakBytes: 170e6 };
}

function downloaded(bytes: number, service: number): Downloaded {
  const bytesPerSecond = 1e9;
  return { bytes, bytesPerSecond, cpu: { nginx: 1, service }, peakBytes: undefined };
}

/** The results of some workloads and systems. */
export const SOME: Results = {
  ...NONE,
  serve: { bare: [served(100), served(50)], redis: [served(80), served(30)] },
  issue: {
    django: [{ fresh: load(10), single: load(20) }],
    redis: [{ fresh: load(40), single: load(50) }],
  },
  download: { express: [downloaded(100, 2)], redis: [downloaded(100, 0.1)] },
  downloadWhole: { redis: [downloaded(2000, 0.1)] },
  growth: { '1000': [load(100)], '1000000': [load(89)] },
};
