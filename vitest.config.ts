import { configDefaults, defineConfig } from 'vitest/config';

const RACES = 'test/races/**/*.test.ts';

export default defineConfig({
  test: {
    globalSetup: ['test/dev/global-setup.ts'],
    // Real servers are started; the machine may be a small one.
    testTimeout: 20_000,
    hookTimeout: 30_000,
    // Most of the time a test waits for a server or a clock; by default one core would be left idle.
    maxWorkers: '100%',
    projects: [
      { extends: true, test: { name: 'tests', exclude: [...configDefaults.exclude, RACES] } },
      // Of themselves: a thousand connections would make what runs beside them late.
      { extends: true, test: { name: 'races', include: [RACES] } },
    ],
  },
});
