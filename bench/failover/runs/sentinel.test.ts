import { test } from 'vitest';
import { MAX_MS, measure, settings } from '../measure.ts';
import { startDividedSentinel, startFailingSentinel } from '../sentinel.ts';

test.each(settings)(
  'failover: the network of Sentinel fails, acknowledged by %s',
  (by) => measure(startDividedSentinel, by),
  MAX_MS,
);

test.each(settings)(
  'failover: servers of Sentinel fail, acknowledged by %s',
  (by) => measure(startFailingSentinel, by),
  MAX_MS,
);
