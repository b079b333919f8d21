import { once } from 'node:events';
import type { RequestListener } from 'node:http';
import { connect } from 'node:http2';
import { describe, expect, onTestFinished, test } from 'vitest';
import { canMeasureCpu, expectCheap } from '../support/cpu.ts';
import { hasHttp2 } from '../support/nginx-version.ts';
import type { Headers, RawAnswer } from '../support/raw.ts';
import { modes, type SiteMode, useSite } from '../support/site.ts';

const deny: RequestListener = (_, response) => {
  response.writeHead(403, { 'Content-Length': '0' }).end();
};

// gate.conf sends them in both modes.
describe('cookies: sent to the gate', () => {
  let received: string;
  const server = `${hasHttp2 ? 'http2 on;' : ''} large_client_header_buffers 4 40k;`;
  const site = useSite({ mode: 'auth_request', server, gate: deny }, () => {
    // The raw bytes: Node's parser trims a value.
    site.gate.server.on('connection', (socket) =>
      socket.on('data', (chunk: Buffer) => {
        received += chunk.toString('latin1');
      }),
    );
  });

  /** The text after the colon and one space; undefined if there is no such header. */
  const headerOf = (name: string) => new RegExp(`^${name}: (.*)\r$`, 'm').exec(received)?.[1];

  const one: ReadonlyArray<[cookie: string, token?: string, resume?: string]> = [
    [''],
    ['other=1'],
    ['postern=a', 'a'],
    ['other=1; postern=a; more=2', 'a'],
    ['postern=a; postern_resume=r', 'a', 'r'],
    ['postern_resume=r; x=1; postern=a', 'a', 'r'],
    ['xpostern=1; postern_=2; postern-x=3; x.postern_resume=4'],
    ['POSTERN=a', 'a'],
    ['postern=ps_aZ09-_', 'ps_aZ09-_'],
  ];
  test.each(one)('%j: no other cookie of the client is sent', async (cookie, token, resume) => {
    received = '';
    await site.ask('GET', '/download/a', cookie === '' ? {} : { Cookie: cookie });
    expect(received).toContain('X-Original-URI: /download/a\r\n');
    expect([headerOf('Postern-Cookie'), headerOf('Postern-Resume')]).toEqual([token, resume]);
    expect(headerOf('Cookie')).toBeUndefined();
  });

  // At least whenever nginx itself reads a cookie of that name twice: in any case, and before 1.29.6 after a comma.
  const several: ReadonlyArray<string | string[]> = [
    ['postern=a', 'x=1', 'postern=b'],
    // nginx does not search a long header.
    `postern=a; sso=${'x'.repeat(9000)}`,
    ['postern=a', `sso=${'x'.repeat(5000)}`, `sso2=${'x'.repeat(5000)}`],
    'postern=a; postern=b',
    'x=1; postern=a; y=2; z=3; postern=b; w=4',
    'postern=a;postern=b',
    'postern=a,postern=b',
    'postern=; postern=b',
    'POSTERN=a; postern=b',
    'postern=a; Postern=b',
    'postern =a; postern  =b',
    'postern=a; postern=\x7f',
    'postern=a; xpostern=b',
    'postern_resume=r; postern_resume=s',
    'postern_resume=r; postern=a; POSTERN_RESUME =s',
    `postern=${'a'.repeat(30_000)}; postern=b`,
  ];
  test.each(several.map((cookie) => ({ cookie })))(
    '$cookie: the gate gets all cookies',
    async ({ cookie }) => {
      received = '';
      await site.ask('GET', '/download/a', { Cookie: cookie });
      expect(headerOf('Cookie')).toBe([cookie].flat().join('; '));
    },
  );

  test.runIf(hasHttp2)('HTTP/2 with each cookie in a separate header', async () => {
    received = '';
    const client = connect(site.nginx.url(''));
    onTestFinished(() => client.destroy());
    const cookie = ['postern=a', 'x=1', 'postern=b'];
    await once(client.request({ ':path': '/download/a', cookie }).end(), 'response');
    expect([headerOf('Postern-Cookie'), headerOf('Cookie')]).toEqual(['a', cookie.join('; ')]);
  });

  const filled = (start: string, part: string) =>
    start + part.repeat((32_000 - start.length) / part.length);
  const COSTLY: ReadonlyArray<[start: string, part: string]> = [
    ...['a', 'a;', 'a,', '; ', 'postern', 'postern ', 'postern_resume ', '; postern '].map(
      (part): [string, string] => ['', part],
    ),
    ['postern=', 'postern '],
    ['postern_resume=', 'postern'],
    ['postern', ' '],
    ['postern=a', ';'],
    ['postern=a', '; postern='],
    ['postern=a', '; postern=b"'],
    ['postern=a; postern_resume=a', ';'],
    ['postern=a; postern=', 'b'],
    ['postern=a; postern=b; postern=c', '; postern=d"'],
  ];
  test.runIf(canMeasureCpu).each(COSTLY)(
    'cookies: 32 KB of %j and repeated %j cost nginx little CPU time',
    async (start, part) => {
      const send = (Cookie: string) => () => site.ask('GET', '/download/a', { Cookie });
      await expectCheap(site, send(filled('x=', 'x')), send(filled(start, part)));
      expect(await site.nginx.errorLog()).not.toContain('[alert]');
    },
  );
});

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

describe.each(modes)('cookies: those of the gate by %s', (mode) => {
  let status: number;
  let headers: Record<string, string | string[]>;
  const gate: RequestListener = ({ headers: { 'x-original-uri': uri = '' } }, response) => {
    const target = String(uri).replace('/download/', '/protected/');
    const targets = status < 400 && { 'Postern-Target': target, 'X-Accel-Redirect': target };
    const own = { 'Postern-Token-Id': 'id', 'Content-Length': '0' };
    response.writeHead(status, { ...own, ...targets, ...headers }).end();
  };
  // Directives of a site for the cookies of its application.
  const server = `
    proxy_cookie_path / /elsewhere/; proxy_cookie_domain files.example elsewhere.example;
    proxy_cookie_flags ~ nosecure nohttponly;`;
  const site = useSite({ mode, gate, server, files: { 'a.txt': 'file a' } });

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
});
