import { test } from 'vitest';
import { MAX_MS, measure, settings } from '../measured/measure.ts';
import { startDividedSentinel } from '../measured/sentinel.ts';

test.each(settings)(
  'failover: the network of Sentinel fails, confirmed by %s',
  (by) => measure(startDividedSentinel, by),
  MAX_MS,
);
