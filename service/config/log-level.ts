import type { Faults } from './fault.ts';
import type { Given } from './given.ts';

const LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'silent'] as const;

export type LogLevel = (typeof LEVELS)[number];

export function readLogLevel(given: Given, faults: Faults): LogLevel | undefined {
  const level = LEVELS.find((known) => known === given.value);
  return level ?? faults.add(given, `one of ${LEVELS.join(', ')}`);
}
