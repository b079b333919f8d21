import { once } from 'node:events';
import type { RequestListener } from 'node:http';
import { connect } from 'node:http2';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { canMeasureCpu, expectCheap } from '../support/cpu.ts';
import { hasHttp2 } from '../support/nginx-version.ts';
import { modes, type Site, startSite } from '../support/site.ts';

const deny: RequestListener = (_, response) => {
  response.writeHead(403, { 'Content-Length': '0' }).end();
};

describe.each(modes)('cookies: sent to the gate by %s', (mode) => {
  let site: Site;
  let received: string;
  beforeAll(async () => {
    const server = `${hasHttp2 ? 'http2 on;' : ''} large_client_header_buffers 4 40k;`;
    site = await startSite({ mode, server, gate: deny });
    // The raw bytes: Node's parser trims a value.
    site.gate.server.on('connection', (socket) =>
      socket.on('data', (chunk: Buffer) => {
        received += chunk.toString('latin1');
      }),
    );
  });
  afterAll(() => site.stop());

  /** The text after the colon and one space; undefined if there is no such header. */
  const headerOf = (name: string) => new RegExp(`^${name}: (.*)\r$`, 'm').exec(received)?.[1];

  const cases: ReadonlyArray<
    [cookie: string | string[], tokens: string | undefined, resumes?: string]
  > = [
    ['', undefined],
    ['other=1', undefined],
    ['postern=a', 'a'],
    ['other=1; postern=a; more=2', 'a'],
    ['postern=a; postern=b', 'a b'],
    ['postern=a; postern=b; postern=c; postern=d', 'a b c d'],
    ['postern=a; postern=b; postern=c; postern=d; postern=e', 'a b c d'],
    ['x=1; postern=a; y=2; z=3; postern=b; w=4', 'a b'],
    [['postern=a', 'postern=b; x=1', 'postern=c'], 'a b c'],
    ['postern_resume=r; postern=a; postern_resume=s; postern=b', 'a b', 'r s'],
    [
      'postern_resume=r; postern_resume=s; postern_resume=t; postern_resume=u; postern_resume=v',
      undefined,
      'r s t u',
    ],
    // The names must be equal.
    ['xpostern=1; postern_=2; my-postern=3; x.postern_resume=4', undefined],
    ['postern=a; xpostern=1; posternx=2; postern_resumex=3; postern=b', 'a b'],
    ['x=postern=1; postern=a; y=postern=2; postern=b', 'a b'],
    // nginx ignores case for the first cookie. A browser does not.
    ['POSTERN=a; postern=b; Postern=c', 'a b'],
    ['postern=b; POSTERN=a', 'b'],
    // An empty cookie hides no other.
    ['postern=; postern=b', ' b'],
    ['postern=a; postern=; postern=b', 'a b'],
    // A further cookie in a form that no browser sends is ignored.
    ['postern=a; postern="b"; postern=c d; postern=e,f; postern=\x01; postern=é; postern=g', 'a g'],
    ['postern=a;postern=b', 'a'],
    ['postern=a,postern=b', 'a,postern=b'],
    ['postern=a; postern =b; postern= c; postern; postern=d', 'a d'],
    // nginx passes the first cookie on unchanged. The gate's HTTP parser rejects a control character.
    ['postern="a"; postern=b', '"a" b'],
    ['postern=a b; postern=c', 'a b c'],
    ['postern=a\x01; postern=b', 'a\x01 b'],
    // The characters of a token or a signed value.
    [
      'postern=ps_aZ09-_; postern=a.b-c_d~e; postern=f:g/h%20+i|j==',
      'ps_aZ09-_ a.b-c_d~e f:g/h%20+i|j==',
    ],
  ];
  test.each(cases)('%j: %j, %j', async (cookie, tokens, resumes) => {
    received = '';
    await site.ask('GET', '/download/a', cookie === '' ? {} : { Cookie: cookie });
    expect(received).toContain('X-Original-URI: /download/a\r\n');
    expect([headerOf('Postern-Cookie'), headerOf('Postern-Resume')]).toEqual([tokens, resumes]);
    expect(received).not.toMatch(/^Cookie:/im);
  });

  test('a comma before the first cookie hides no other cookie', async () => {
    received = '';
    await site.ask('GET', '/download/a', { Cookie: 'x=1,postern=a; postern=b' });
    expect(headerOf('Postern-Cookie')).toMatch(/ b$/);
  });

  test.runIf(hasHttp2)('HTTP/2 with each cookie in a separate header', async () => {
    received = '';
    const client = connect(site.nginx.url(''));
    onTestFinished(() => client.destroy());
    const cookie = ['postern=a', 'x=1', 'postern=b', 'postern_resume=r', 'postern_resume=s'];
    await once(client.request({ ':path': '/download/a', cookie }).end(), 'response');
    expect([headerOf('Postern-Cookie'), headerOf('Postern-Resume')]).toEqual(['a b', 'r s']);
  });

  const filled = (start: string, part: string) =>
    start + part.repeat((32_000 - start.length) / part.length);
  test.runIf(canMeasureCpu).each([
    ['', 'a'],
    ['', 'a;'],
    ['', 'a,'],
    ['', '; '],
    ['', 'postern'],
    ['', 'postern '],
    ['', '; postern '],
    ['postern', ' '],
    ['postern=a', ';'],
    ['postern=a; postern_resume=a', ';'],
    ['postern=a', '; postern='],
    ['postern=a', '; postern=b"'],
    ['postern=a; postern=', 'b'],
    ['postern=a; postern=b; postern=c', '; postern=d"'],
  ])('cookies: 32 KB of %j and repeated %j cost nginx little CPU time', async (start, part) => {
    const send = (Cookie: string) => () => site.ask('GET', '/download/a', { Cookie });
    await expectCheap(site, send(filled('x=', 'x')), send(filled(start, part)));
    expect(await site.nginx.errorLog()).not.toContain('[alert]');
  });
});
