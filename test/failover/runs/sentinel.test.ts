import { test } from 'vitest';
import { MAX_MS, measure, settings } from '../measured/measure.ts';
import { startDividedSentinel, startFailingSentinel } from '../measured/sentinel.ts';

test.each(settings)(
  'failover: the network of Sentinel fails, confirmed by %s',
  (by) => measure(startDividedSentinel, by),
  MAX_MS,
);

test.each(settings)(
  'failover: servers of Sentinel fail, confirmed by %s',
  (by) => measure(startFailingSentinel, by),
  MAX_MS,
);
