import { expect, onTestFinished, test } from 'vitest';
import { startSite, ways } from '../support/site.ts';

// What a downloader sends that makes sure of the version. nginx drops all headers of the answer
// before a 412, and with them the only way to go on with the use that it has just taken.
test.each(ways)(
  'a first use that is answered with 412 has its resume cookie by %s',
  async (way) => {
    const site = await startSite({ way, files: { a: 'file a' } });
    onTestFinished(site.stop);
    const { url } = await site.issue({ path: '/download/a', max_uses: 1, bind: 'cookie' });
    const failed = await site.ask('GET', url, { 'If-Match': '"another"' });
    expect(failed.status).toBe(412);
    const cookie = failed.header('Set-Cookie')?.split(';')[0] ?? '';
    expect.soft(cookie).toMatch(/^postern_resume=/);
    expect.soft(failed.header('Cache-Control')).toBe('private, no-store');
    expect((await site.ask('GET', url, { Cookie: cookie })).status).toBe(200);
  },
);
