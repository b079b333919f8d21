import { expect, onTestFinished, test } from 'vitest';
import { type Site, type SiteOptions, startSite } from '../support/site.ts';

const FILES = { 'a.txt': 'file a', 'b.txt': 'file b' };
const CACHE = 'include postern/cache.conf;';

interface Counted extends Site {
  /** How often the gate was asked. */
  asked(): number;
}

async function site(options: Partial<SiteOptions> = {}): Promise<Counted> {
  const { way = 'auth_request', http = '', ...more } = options;
  const started = await startSite({
    way,
    files: FILES,
    decisionTtl: 60,
    ...more,
    http: `${CACHE}\n${http}`,
  });
  onTestFinished(started.stop);
  let asked = 0;
  started.gate.server.on('request', () => {
    asked += 1;
  });
  return { ...started, asked: () => asked };
}

test('an allow is used again', async () => {
  const { issue, ask, asked } = await site();
  const { url } = await issue({ path: '/download/a.txt' });
  for (let i = 0; i < 5; i += 1) {
    const answer = await ask('GET', url);
    expect([answer.status, answer.text]).toEqual([200, 'file a']);
  }
  expect(asked()).toBe(1);
});
