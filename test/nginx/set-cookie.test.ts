import type { RequestListener } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Headers, RawAnswer } from '../support/raw.ts';
import { modes, type Site, type SiteMode, startSite } from '../support/site.ts';

const RESUME = 'postern_resume=r; Path=/download/; Max-Age=60; HttpOnly; SameSite=Lax';
const TOKEN = 'postern=; Path=/download/; Domain=files.example; Max-Age=0; Secure';

/** The gate's headers that set cookies, for each mode. */
function telling(mode: SiteMode, cookies: readonly string[]): Record<string, string | string[]> {
  if (mode === 'X-Accel') return { 'Set-Cookie': [...cookies] };
  const [first = '', second = ''] = cookies;
  return { 'Postern-Set-Cookie': first, 'Postern-Set-Cookie-2': second };
}

function cookiesOf({ headers }: RawAnswer): string[] {
  return headers.filter(([name]) => name === 'set-cookie').map(([, value]) => value);
}

describe.each(modes)('Set-Cookie: cookies of the gate by %s', (mode) => {
  let site: Site;
  let status: number;
  let headers: Record<string, string | string[]>;
  const gate: RequestListener = ({ headers: { 'x-original-uri': uri = '' } }, response) => {
    const target = String(uri).replace('/download/', '/protected/');
    const targets = status < 400 && { 'Postern-Target': target, 'X-Accel-Redirect': target };
    const own = { 'Postern-Token-Id': 'id', 'Content-Length': '0' };
    response.writeHead(status, { ...own, ...targets, ...headers }).end();
  };
  beforeAll(async () => {
    // Directives of a site for the cookies of its application.
    const server = `
      proxy_cookie_path / /elsewhere/; proxy_cookie_domain files.example elsewhere.example;
      proxy_cookie_flags ~ nosecure nohttponly;`;
    site = await startSite({ mode, gate, server, files: { 'a.txt': 'file a' } });
  });
  afterAll(() => site.stop());

  async function ask(cookies: readonly string[], path: string, more: Headers, method = 'GET') {
    status = mode === 'auth_request' ? 204 : 200;
    headers = telling(mode, cookies);
    const answer = await site.ask(method, path, more);
    expect(answer.headers.filter(([name]) => name.startsWith('postern-'))).toEqual([]);
    return answer;
  }

  const answers: ReadonlyArray<[what: string, method: string, name: string, headers: Headers]> = [
    ['200', 'GET', 'a.txt', {}],
    ['200', 'HEAD', 'a.txt', {}],
    ['206', 'GET', 'a.txt', { Range: 'bytes=0-1' }],
    ['304', 'GET', 'a.txt', { 'If-None-Match': '*' }],
    ['404', 'GET', 'none.txt', {}],
    ['416', 'GET', 'a.txt', { Range: 'bytes=999-' }],
  ];
  test.each(answers)('are sent with a %s to %s %s %j', async (expected, method, name, more) => {
    for (const cookies of [[RESUME, TOKEN], [RESUME], []]) {
      const answer = await ask(cookies, `/download/${name}`, more, method);
      expect(answer.status).toBe(Number(expected));
      const got = cookiesOf(answer);
      // nginx runs add_header twice before a 416: once for the 200 that it was to be.
      const isTwice = mode === 'auth_request' && expected === '416';
      expect(isTwice ? [...new Set(got)] : got).toEqual(cookies);
    }
  });

  test.each([401, 403, 429, 500, 503])('are not sent with a denial: %i', async (code) => {
    status = code;
    headers = telling('auth_request', [RESUME, TOKEN]);
    for (const Accept of ['*/*', 'text/html']) {
      const answer = await site.ask('GET', '/download/a.txt', { Accept });
      expect(answer.status).toBeGreaterThanOrEqual(400);
      expect(cookiesOf(answer)).toEqual([]);
      expect(JSON.stringify(answer.headers)).not.toContain('set-cookie');
    }
  });

  test('are not sent with the next response', async () => {
    expect(cookiesOf(await ask([RESUME, TOKEN], '/download/a.txt', {}))).toHaveLength(2);
    expect(cookiesOf(await ask([], '/download/a.txt', {}))).toEqual([]);
  });
});
