import { expect } from 'vitest';
import { cpuSeconds } from '../harness/usage.ts';
import type { Site } from './site.ts';

const REQUESTS = 20;

/** Reads /proc. */
export const canMeasureCpu = process.platform === 'linux';

/**
 * Expects that nginx spends little more CPU time on the hostile request than on the usual one. A busy
 * machine changes the time on a clock, but hardly the CPU time.
 */
export async function expectCheap(
  { nginx }: Pick<Site, 'nginx'>,
  usual: () => Promise<unknown>,
  hostile: () => Promise<unknown>,
): Promise<void> {
  const cost = async (ask: () => Promise<unknown>) => {
    const before = cpuSeconds(nginx.pid);
    for (let i = 0; i < REQUESTS; i += 1) await ask();
    return cpuSeconds(nginx.pid) - before;
  };
  const base = await cost(usual);
  // A pattern that backtracks costs 4 s, and the others 0.06 s.
  expect(await cost(hostile)).toBeLessThan(20 * base + 0.5);
}
