import { expect, test } from 'vitest';
import { pictures } from '../../bench/report/charts.ts';
import { NONE, SOME } from '../bench/results.ts';

test('charts: one for each measured workload', async () => {
  const drawn = await pictures(SOME);
  expect(Object.keys(drawn)).toEqual(['small-file.svg', 'fresh-tokens.svg', 'downloads-cpu.svg']);
  for (const svg of Object.values(drawn)) expect(svg).toMatch(/^<svg [^>]*xmlns="http/);
  expect(drawn['fresh-tokens.svg']).toContain('40  (× 4.00)');
  expect(drawn['downloads-cpu.svg']).toContain('40.00 s, extrapolated');
  expect(await pictures(NONE)).toEqual({});
});
