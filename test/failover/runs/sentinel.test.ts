import { test } from 'vitest';
import { measure } from '../measured/measure.ts';
import { startSentinel } from '../measured/sentinel.ts';

const MINUTES = 60_000;

test(
  'failover: Sentinel, confirmed by no replica',
  async () => {
    await measure(startSentinel, 'by no replica');
  },
  60 * MINUTES,
);
