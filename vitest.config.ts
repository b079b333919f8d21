import { configDefaults, defineConfig } from 'vitest/config';

/** Tests that start no server. Those in a subfolder of jwt/ and store/ do. */
const UNIT = 'test/{api,config,domain,gate,jwt,metrics,store}/*.test.ts';

const RACES = 'test/races/**/*.test.ts';

const globalSetup = ['test/dev/global-setup.ts'];

export default defineConfig({
  test: {
    // Real servers are started, and the machine may be small or busy.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 30_000 } },
    // Most of the time a test waits for a server. By default one core would be idle.
    maxWorkers: '100%',
    projects: [
      { extends: true, test: { name: 'unit', include: [UNIT], isolate: false } },
      {
        extends: true,
        test: { name: 'servers', exclude: [...configDefaults.exclude, UNIT, RACES], globalSetup },
      },
      { extends: true, test: { name: 'races', include: [RACES], globalSetup } },
    ],
  },
});
