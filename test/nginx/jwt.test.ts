import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createSigned } from '../jwt/signed.ts';
import { openRaw, requestBytes } from '../support/raw.ts';
import { modes, type Site, startSite } from '../support/site.ts';

const CONTENT = Array.from({ length: 1000 }, (_, i) => `line ${i}\n`).join('');

describe.each(modes)('JWT: by %s', (mode) => {
  let site: Site;
  beforeAll(async () => {
    const { jwt, clock } = await createSigned({ algorithms: ['EdDSA'] });
    site = await startSite({
      mode,
      files: { 'a.txt': CONTENT, 'hls/a.ts': 'a segment', 'hls/list.m3u8': 'a.ts' },
      jwt: { ...jwt, format: 'jwt' },
      now: () => clock.now,
    });
  });
  afterAll(() => site.stop());

  /** From a separate address. */
  async function from(localAddress: string, target: string, headers = {}) {
    const connection = await openRaw(site.nginx.port, localAddress);
    const answer = await connection.send(requestBytes('GET', target, headers));
    connection.close();
    return answer;
  }

  test.each([true, false])(
    'revocable %s: in the query, in a segment, as a credential',
    async (revocable) => {
      const { access_token: token, url } = await site.issue({ path: '/download/a.txt', revocable });
      expect(url).toBe(`/download/a.txt?token=${token}`);
      const wanted: Array<[string, Record<string, string>]> = [
        [url, {}],
        [`/download/~${token}/a.txt`, {}],
        ['/download/a.txt', { Authorization: `Bearer ${token}` }],
        ['/download/a.txt', { Cookie: `postern=${token}` }],
      ];
      for (const [target, headers] of wanted) {
        const answer = await site.ask('GET', target, headers);
        expect([answer.status, answer.text]).toEqual([200, CONTENT]);
        const other = await site.ask('GET', target.replace('a.txt', 'hls/a.ts'), headers);
        expect(other.status).toBe(403);
      }
      const bad = `${token.slice(0, -8)}AAAAAAAA`;
      for (const [target, headers] of wanted) {
        const replaced = Object.entries(headers).map(([name, value]) => [
          name,
          value.replace(token, bad),
        ]);
        const answer = await site.ask(
          'GET',
          target.replace(token, bad),
          Object.fromEntries(replaced),
        );
        expect(answer.status).toBe(401);
      }
      expect(await site.log()).not.toContain(token);
      expect(await site.nginx.errorLog()).not.toContain('[error]');
    },
  );

  test('a folder with relative links', async () => {
    const { url } = await site.issue({ prefix: '/download/hls/' });
    const list = await site.fetch(`${url}list.m3u8`);
    const segment = new URL(await list.text(), list.url);
    expect(await (await fetch(segment)).text()).toBe('a segment');
    expect((await site.fetch(`${url}../a.txt`)).status).toBe(403);
  });

  test('max_uses 1: the first requester may continue, and no other may start', async () => {
    const { url } = await site.issue({ path: '/download/a.txt', max_uses: 1 });
    const [mine, theirs] = ['127.0.0.2', '127.0.0.3'];
    const begun = await from(mine, url, { Range: 'bytes=0-99' });
    expect([begun.status, begun.text]).toEqual([206, CONTENT.slice(0, 100)]);
    expect((await from(theirs, url)).status).toBe(401);
    const rest = await from(mine, url, { Range: 'bytes=100-' });
    expect([rest.status, begun.text + rest.text]).toEqual([206, CONTENT]);
    expect((await from(theirs, url, { Range: 'bytes=100-' })).status).toBe(401);
  });

  test('a revoked token gets the same response as an unknown one', async () => {
    const { url, id } = await site.issue({ path: '/download/a.txt' });
    expect((await site.ask('GET', url)).status).toBe(200);
    await site.postern.store.revoke(id, 'test');
    const denied = await site.ask('GET', url, { Range: 'bytes=5-9' });
    expect([denied.status, denied.header('postern-token-id')]).toEqual([401, undefined]);
  });
});
