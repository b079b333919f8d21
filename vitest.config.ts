import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    globalSetup: ['test/dev/global-setup.ts'],
    // Real servers are started; the machine may be a small one.
    testTimeout: 20_000,
    hookTimeout: 30_000,
  },
});
