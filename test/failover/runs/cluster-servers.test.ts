import { test } from 'vitest';
import { startFailingCluster } from '../measured/cluster.ts';
import { MAX_MS, measure, settings } from '../measured/measure.ts';

test.each(settings)(
  'failover: servers of a cluster fail, confirmed by %s',
  (by) => measure(startFailingCluster, by),
  MAX_MS,
);
