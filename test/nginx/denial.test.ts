import { describe, expect, test } from 'vitest';
import { BROWSER as PAGES } from '../support/pages.ts';
import { failWhile, modes, siteForTest, useSite } from '../support/site.ts';

const UNKNOWN = `ps_${'x'.repeat(32)}`;
const bearer = 'Bearer realm="postern"';
const invalid = `${bearer}, error="invalid_token"`;
const BROWSER = PAGES.Accept;

// The pages of all codes are in pages.test.ts.

describe.each(modes)('denial: by %s', (mode) => {
  let own: string;
  const server = 'add_header Strict-Transport-Security max-age=9 always;';
  const site = useSite({ mode, server, files: { 'a.mp4': 'file a' } }, async () => {
    // Postern rejects a prefetch only of a token that counts uses.
    own = (await site.issue({ path: '/download/a.mp4', max_uses: 1 })).access_token;
    failWhile(site, () => unavailable);
  });
  let unavailable = false;

  const malformed = mode === 'X-Accel' ? 400 : 403;
  const cases = [
    { code: 'missing_token', status: 401, query: '', challenge: bearer },
    { code: 'invalid_token', status: 401, query: `?token=${UNKNOWN}`, challenge: invalid },
    { code: 'insufficient_scope', status: 403, path: '/download/b.mp4' },
    { code: 'prefetch', status: 403, headers: { 'Service-Worker': 'script' } },
    { code: 'prefetch', status: 403, headers: { 'Sec-Purpose': 'prefetch;prerender' } },
    { code: 'prefetch', status: 403, headers: { Purpose: 'prefetch' } },
    { code: 'invalid_request', status: malformed, path: '/download/a%5c.mp4' },
    { code: 'path_is_folder', status: malformed, path: '/download/folder.mp4/' },
    { code: 'unavailable', status: 503 },
  ];

  describe.each(cases)('$code', ({ code, status, path, query, headers, challenge }) => {
    const ask = async (method: string, accept?: string) => {
      unavailable = code === 'unavailable';
      const target = (path ?? '/download/a.mp4') + (query ?? `?token=${own}`);
      const about = { 'Accept-Language': 'de', ...(accept !== undefined && { Accept: accept }) };
      const answer = await site.ask(method, target, { ...headers, ...about });
      // A 503 has its own add_header lines.
      const hsts = status === 503 ? undefined : 'max-age=9';
      expect(answer.header('Strict-Transport-Security')).toBe(hsts);
      return answer;
    };

    test.each([undefined, '*/*', 'application/json', 'video/mp4', `application/json,${BROWSER}`])(
      'is a problem document for %s',
      async (accept) => {
        const answer = await ask('GET', accept);
        expect(answer.status).toBe(status);
        expect(answer.header('Content-Type')).toBe('application/problem+json');
        expect(JSON.parse(answer.text)).toEqual({ type: 'about:blank', status, code });
        expect(answer.header('WWW-Authenticate')).toBe(challenge);
        expect(answer.header('Retry-After')).toBe(status === 503 ? '5' : undefined);
      },
    );

    test('has no body by HEAD', async () => {
      for (const accept of ['*/*', BROWSER]) {
        const answer = await ask('HEAD', accept);
        expect([answer.status, answer.text]).toEqual([status, '']);
        expect(answer.header('WWW-Authenticate')).toBe(challenge);
      }
    });

    test('has no header that names the software of the gate', async () => {
      const { headers: all, text } = await ask('GET');
      expect(JSON.stringify([all, text])).not.toMatch(/protected|postern-|x-accel|redis|gone/i);
    });
  });
});

// As in docs/guides/nginx.md: above the include, because nginx uses the first line for a status.
test('error pages: own pages for denials keep the status', async () => {
  const site = await siteForTest({
    mode: 'auth_request',
    files: {
      'a.txt': 'file a',
      '../www/401.html': 'please log in',
      '../www/403.html': 'not yours',
    },
    only: `
      error_page 401 403 404 =200 /pages/403.html;
      location ^~ /download/ {
        error_page 401 /pages/401.html;
        error_page 403 /pages/403.html;
        include postern/protect.conf;
      }
      location ^~ /pages/ { internal; alias $files/../www/; }
      location ^~ /protected/ { include postern/internal.conf; alias $files/; }`,
  });
  const { url } = await site.issue({ path: '/download/a.txt' });
  for (const [target, status, text, challenge] of [
    ['/download/a.txt', 401, 'please log in', bearer],
    [`/download/a.txt?token=${UNKNOWN}`, 401, 'please log in', invalid],
    [url.replace('a.txt', 'b.txt'), 403, 'not yours', undefined],
    [url, 200, 'file a', undefined],
  ] as const) {
    const answer = await site.ask('GET', target, { Accept: 'text/html' });
    expect([answer.status, answer.text]).toEqual([status, text]);
    expect(answer.header('www-authenticate')).toBe(challenge);
  }
  // A missing file is not a denial, and no page is saved instead of it.
  const none = await site.issue({ path: '/download/none' });
  const missing = await site.ask('GET', none.url);
  expect(missing.status).toBe(404);
  expect(missing.text).not.toContain('not yours');
  await site.gate.stop();
  expect((await site.ask('GET', url)).status).toBe(503);
  const codes = async () =>
    [...(await site.log()).matchAll(/"code":"(\w*)"/g)].map(([, one]) => one);
  const expected = ['missing_token', 'invalid_token', 'insufficient_scope', 'allow', 'allow'];
  // nginx can write the line after the response.
  await expect.poll(codes).toEqual([...expected, 'unavailable']);
});
