import { test } from 'vitest';
import { startDividedCluster, startFailingCluster } from '../cluster.ts';
import { MAX_MS, measure, settings } from '../measure.ts';

test.each(settings)(
  'failover: the network of a cluster fails, acknowledged by %s',
  (by) => measure(startDividedCluster, by),
  MAX_MS,
);

test.each(settings)(
  'failover: servers of a cluster fail, acknowledged by %s',
  (by) => measure(startFailingCluster, by),
  MAX_MS,
);
