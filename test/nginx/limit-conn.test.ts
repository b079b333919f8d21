import { once } from 'node:events';
import { describe, expect, onTestFinished, test } from 'vitest';
import { waitFor } from '../harness/wait.ts';
import { openRaw, type RawConnection, requestBytes } from '../support/raw.ts';
import { gateSnippet, modes, type Site, type SiteOptions, siteForTest } from '../support/site.ts';

// So slow that no download of these tests is completed.
const SLOW = { path: '/download/big.bin', limit_rate: 1000 };
const ONE_BYTE = { Range: 'bytes=0-0' };

describe.each(modes)('limit_conn: simultaneous downloads of one token by %s', (mode) => {
  const start = (more: Partial<SiteOptions> = {}): Promise<Site> =>
    siteForTest({
      mode,
      files: { 'big.bin': Buffer.alloc(300_000) },
      locations: 'location ^~ /open/ { alias $files/; limit_rate 1000; }',
      ...more,
      http: `
        limit_conn postern_connections 8;
        limit_conn_zone $remote_addr zone=own:1m;
        ${more.http ?? ''}`,
    });

  /** Downloads that have begun and do not end. */
  function begin(site: Site, url: string, count: number): Promise<RawConnection[]> {
    return Promise.all(
      Array.from({ length: count }, async () => {
        const connection = await openRaw(site.nginx.port);
        onTestFinished(connection.close);
        connection.socket.write(requestBytes('GET', url));
        const [first] = await once(connection.socket, 'data');
        expect(String(first)).toMatch(/^HTTP\/1\.1 200 /);
        return connection;
      }),
    );
  }

  async function expectRefused({ ask }: Site, url: string): Promise<void> {
    const refused = await ask('GET', url, ONE_BYTE);
    expect([refused.status, JSON.parse(refused.text).code]).toEqual([429, 'too_many_requests']);
    const page = await ask('GET', url, { Accept: 'text/html' });
    expect([page.status, page.text.includes('Too many downloads')]).toEqual([429, true]);
  }

  test('eight are allowed, and a ninth after one of them ends', async () => {
    const site = await start({ server: 'error_log error.log error;' });
    const { url, id, access_token: token } = await site.issue(SLOW);
    const [first] = await begin(site, url, 8);

    await expectRefused(site, url);
    const find = async () => (await site.log()).split('\n').find((one) => one.includes(':429'));
    const line = await waitFor(find, { what: 'the line of the refused one' });
    expect(JSON.parse(line)).toMatchObject({ token_id: id, code: 'allow' });
    expect(await site.nginx.errorLog()).not.toContain(token);

    first?.close();
    await expect.poll(async () => (await site.ask('GET', url, ONE_BYTE)).status).toBe(206);
  });

  test('other tokens, denials and other locations do not count', async () => {
    const site = await start();
    const [{ url }, other] = [await site.issue(SLOW), await site.issue(SLOW)];
    await begin(site, url, 8);
    await begin(site, '/open/big.bin', 9);
    expect((await site.ask('GET', other.url, ONE_BYTE)).status).toBe(206);
    expect((await site.ask('GET', '/open/big.bin', ONE_BYTE)).status).toBe(206);
    expect((await site.ask('GET', '/download/big.bin')).status).toBe(401);
    expect((await site.ask('GET', url.replace('big', 'other'))).status).toBe(403);
  });

  test('a ninth download from an object store gets 429, whatever limit_conn_status the site has', async () => {
    const site = await start({
      server: 'limit_conn_status 503;',
      // The store sets no rate: nginx would pass on a slow response late.
      locations: 'location ^~ /open/ { alias $files/; }',
      internal: 'include postern/internal-proxy.conf; proxy_pass http://127.0.0.1:$port/open/;',
    });
    const { url } = await site.issue(SLOW);
    await begin(site, url, 8);
    await expectRefused(site, url);
  });

  const OWN = 'limit_conn own 1000;';
  const BOTH = `limit_conn postern_connections 8; ${OWN}`;
  const lines = (inPublic: string, inInternal: string) => ({
    only: `
      location ^~ /download/ { ${gateSnippet(mode)} ${inPublic} }
      location ^~ /protected/ { include postern/internal.conf; ${inInternal} alias $files/; }`,
  });

  // 206: they are not counted. nginx does not warn about this, so the comment of the snippet does.
  test.runIf(mode === 'auth_request').each<[string, number, Partial<SiteOptions>]>([
    ['in the http block', 206, { http: OWN }],
    ['in the server block', 206, { server: OWN }],
    ['in the server block, together with that of Postern', 206, { server: BOTH }],
    ['there, and both in the internal location', 206, { server: OWN, ...lines('', BOTH) }],
    ['in the public location', 206, lines(OWN, '')],
    ['in the internal location', 206, lines('', OWN)],
    ['in another location', 429, { locations: `location /other/ { ${OWN} }` }],
    ['in the internal location, together with that of Postern', 429, lines('', BOTH)],
  ])('if the site has a limit_conn %s: %i', async (_, status, more) => {
    const site = await start(more);
    const { url } = await site.issue(SLOW);
    await begin(site, url, 8);
    expect((await site.ask('GET', url, ONE_BYTE)).status).toBe(status);
  });
});

const BIG = Buffer.alloc(300_000, 'x');

test.each(modes)(
  'limit_rate: by %s a grant with a rate is still being sent when one without has ended, whatever the rate of the site',
  async (mode) => {
    const site = await siteForTest({ mode, files: { 'big.bin': BIG }, server: 'limit_rate 1k;' });
    const path = '/download/big.bin';
    const connection = await openRaw(site.nginx.port);
    onTestFinished(connection.close);
    let received = 0;
    connection.socket.on('data', (chunk: Buffer) => {
      received += chunk.length;
    });
    // 300 s for the whole file.
    const { url } = await site.issue({ path, limit_rate: 1000 });
    connection.socket.write(requestBytes('GET', url));
    await expect.poll(() => received, { message: 'the slow download to begin' }).toBeGreaterThan(0);
    // At the rate of the site it would take 300 s, too.
    const { status, body } = await site.ask('GET', (await site.issue({ path })).url);
    expect([status, body.equals(BIG)]).toEqual([200, true]);
    expect(received).toBeLessThan(BIG.length);
    expect(await site.nginx.errorLog()).not.toMatch(/\[(warn|error|crit|alert|emerg)\]/);
  },
);
