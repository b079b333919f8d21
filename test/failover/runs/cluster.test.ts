import { test } from 'vitest';
import { startCluster } from '../measured/cluster.ts';
import { measure } from '../measured/measure.ts';

const MINUTES = 60_000;

test(
  'failover: Cluster, confirmed by no replica',
  async () => {
    await measure(startCluster, 'by no replica');
  },
  60 * MINUTES,
);
