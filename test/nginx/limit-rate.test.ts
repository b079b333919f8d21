import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Site, startSite, ways } from '../support/site.ts';

const BIG = Buffer.alloc(300_000, 'x');

describe.each(ways)('the rate of a grant by %s', (way) => {
  let site: Site;
  beforeAll(async () => {
    site = await startSite({ way, files: { 'big.bin': BIG }, server: 'limit_rate 1k;' });
  });
  afterAll(() => site.stop());

  async function secondsFor(grant: object): Promise<number> {
    const { url } = await site.issue({ path: '/download/big.bin', ...grant });
    const started = performance.now();
    const { status, body } = await site.ask('GET', url);
    expect([status, body.equals(BIG)]).toEqual([200, true]);
    return (performance.now() - started) / 1000;
  }

  // nginx sends the first second's worth at once: three seconds' worth take two.
  test('slows its download down', async () => {
    expect(await secondsFor({ limit_rate: 100_000 })).toBeGreaterThan(1.5);
  });

  test('is none where the grant names none, whatever the site says, and nginx logs no error', async () => {
    expect(await secondsFor({})).toBeLessThan(1.5);
    expect(await site.nginx.errorLog()).not.toMatch(/\[(warn|error|crit|alert|emerg)\]/);
  });
});
