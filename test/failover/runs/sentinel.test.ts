import { describe, test } from 'vitest';
import { measure } from '../measured/measure.ts';
import { startDividedSentinel, startFailingSentinel } from '../measured/sentinel.ts';

const MINUTES = 60_000;

describe.each(['no replica', 'all replicas'] as const)('Sentinel, confirmed by %s', (by) => {
  test('failover: servers fail', () => measure(startFailingSentinel, by), 60 * MINUTES);
  test('failover: the network fails', () => measure(startDividedSentinel, by), 60 * MINUTES);
});
