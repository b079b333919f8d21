import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { waitFor } from '../harness/wait.ts';
import { openRaw, requestBytes } from '../support/raw.ts';
import { modes, type Site, startSite } from '../support/site.ts';

const BIG = Buffer.alloc(300_000, 'x');

describe.each(modes)('by %s', (mode) => {
  let site: Site;
  beforeAll(async () => {
    site = await startSite({ mode, files: { 'big.bin': BIG }, server: 'limit_rate 1k;' });
  });
  afterAll(() => site.stop());

  async function urlOf(grant: object): Promise<string> {
    return (await site.issue({ path: '/download/big.bin', ...grant })).url;
  }

  test('limit_rate: a grant with a rate is still being sent when one without has ended', async () => {
    const connection = await openRaw(site.nginx.port);
    onTestFinished(connection.close);
    let received = 0;
    connection.socket.on('data', (chunk: Buffer) => {
      received += chunk.length;
    });
    // 300 s for the whole file.
    connection.socket.write(requestBytes('GET', await urlOf({ limit_rate: 1000 })));
    await waitFor(() => received > 0, { what: 'the slow download to begin' });
    const { status, body } = await site.ask('GET', await urlOf({}));
    expect([status, body.equals(BIG)]).toEqual([200, true]);
    expect(received).toBeLessThan(BIG.length);
  });

  // At the rate of the site it would take 300 s.
  test('limit_rate: a grant without a rate ignores the rate of the site, and nginx logs no error', async () => {
    const { status, body } = await site.ask('GET', await urlOf({}));
    expect([status, body.equals(BIG)]).toEqual([200, true]);
    expect(await site.nginx.errorLog()).not.toMatch(/\[(warn|error|crit|alert|emerg)\]/);
  });
});
