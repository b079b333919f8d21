import { describe, expect, test } from 'vitest';
import { createSigned } from '../support/jwt/signed.ts';
import { modes, useSite } from '../support/site.ts';

const CONTENT = Array.from({ length: 1000 }, (_, i) => `line ${i}\n`).join('');

describe.each(modes)('JWT: by %s', (mode) => {
  const site = useSite(async () => {
    const { jwt, clock } = await createSigned();
    const files = { 'a.txt': CONTENT, 'b.txt': 'another file' };
    return { mode, files, jwt: { ...jwt, format: 'jwt' }, now: () => clock.now };
  });

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
        const other = await site.ask('GET', target.replace('a.txt', 'b.txt'), headers);
        expect(other.status).toBe(403);
      }
      const bad = `${token.slice(0, -8)}AAAAAAAA`;
      for (const [target, headers] of wanted) {
        const request = JSON.stringify([target, headers]).replace(token, bad);
        const [badTarget, badHeaders] = JSON.parse(request);
        expect((await site.ask('GET', badTarget, badHeaders)).status).toBe(401);
      }
      expect(await site.log()).not.toContain(token);
      expect(await site.nginx.errorLog()).not.toContain('[error]');
    },
  );
});
