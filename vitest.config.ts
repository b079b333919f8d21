import { availableParallelism } from 'node:os';
import { configDefaults, defineConfig } from 'vitest/config';

/** Tests that start no server. Those in a subfolder of jwt/ and store/ do. */
const UNIT = 'test/{api,config,domain,gate,jwt,metrics,storage,store}/*.test.ts';

const RACES = 'test/races/**/*.test.ts';

/** Redis servers that fail, move and come back; Sentinel and Cluster. */
const FAILOVER = 'test/failover/**/*.test.ts';

/** A real object store. */
const STORAGE = 'test/storage/servers/**/*.test.ts';

const globalSetup = ['test/dev/global-setup.ts'];

export default defineConfig({
  test: {
    // Real servers are started, and the machine may be small or busy.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 30_000 } },
    // Most of the time a test waits for a server.
    maxWorkers: Math.ceil(availableParallelism() * 1.5),
    projects: [
      { extends: true, test: { name: 'unit', include: [UNIT], isolate: false } },
      {
        extends: true,
        test: {
          name: 'servers',
          exclude: [...configDefaults.exclude, UNIT, RACES, FAILOVER, STORAGE],
          globalSetup,
        },
      },
      { extends: true, test: { name: 'races', include: [RACES], globalSetup } },
      { extends: true, test: { name: 'failover', include: [FAILOVER], globalSetup } },
      { extends: true, test: { name: 'storage', include: [STORAGE], globalSetup } },
    ],
  },
});
