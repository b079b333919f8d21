import { inject } from 'vitest';
import type { Engine } from '../harness/redis.ts';

const ENGINES: ReadonlyArray<readonly [Engine, string]> = [
  ['redis', 'Redis'],
  ['valkey', 'Valkey'],
];

/** The engines that the contract runs on. Outside of CI, a package may not be available. */
export function engines() {
  return ENGINES.filter(
    ([engine]) => process.env.CI || inject('missingTools')[`${engine}-server`] === undefined,
  );
}
