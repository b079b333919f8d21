import { describe, test } from 'vitest';
import { startDividedCluster, startFailingCluster } from '../measured/cluster.ts';
import { measure } from '../measured/measure.ts';

const MINUTES = 60_000;

describe.each(['no replica', 'all replicas'] as const)('Cluster, confirmed by %s', (by) => {
  test('failover: servers fail', () => measure(startFailingCluster, by), 60 * MINUTES);
  test('failover: the network fails', () => measure(startDividedCluster, by), 60 * MINUTES);
});
