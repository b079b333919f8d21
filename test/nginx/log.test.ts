import { afterAll, describe, expect, test } from 'vitest';
import { canMeasureCpu, expectCheap } from '../support/cpu.ts';
import { isNginxBefore } from '../support/nginx-version.ts';
import { type Listening, listening } from '../support/postern.ts';
import { openRaw, requestBytes } from '../support/raw.ts';
import { modes, siteForTest, useSite } from '../support/site.ts';

const TOKEN = /ps_[A-Za-z0-9_-]{16,}/;

describe.each(modes)('log: the format of the snippets by %s', (mode) => {
  let app: Listening;
  let token: string;
  let id: string;
  const site = useSite(
    async () => {
      // An application beside the files, with headers like Postern's.
      const forged = { 'Postern-Token-Id': 'x', 'Postern-Subject': 'eve', 'Postern-Reason': 'no' };
      app = await listening((_, response) => response.writeHead(200, forged).end());
      const locations = `location /app/ { proxy_pass http://127.0.0.1:${app.port}; }`;
      return { mode, locations, files: { 'a.txt': 'hello', 'big.bin': Buffer.alloc(9_000_000) } };
    },
    async () => {
      const request = { prefix: '/download/', subject: 'user "42" é' };
      ({ access_token: token, id } = await site.issue(request));
    },
  );
  afterAll(() => app.stop());

  let count = 0;
  /** The line of one request, found by its User-Agent. */
  async function logged(target: string, headers = {}, method = 'GET') {
    count += 1;
    const agent = `agent-${count}`;
    await site.ask(method, target, { 'User-Agent': agent, ...headers });
    return site.line(agent);
  }

  test('a delivery', async () => {
    expect(await logged(`/download/a.txt?token=${token}`)).toMatchObject({
      request: 'GET /download/a.txt?token=*** HTTP/1.1',
      status: 200,
      bytes: 5,
      completion: 'OK',
      address: '127.0.0.1',
      site: 'files.example',
      token_id: id,
      subject: 'user "42" %C3%A9',
      code: 'allow',
      request_id: expect.stringMatching(/^[0-9a-f]{32}$/),
    });
  });

  test.each([
    ['missing_token', '/download/a.txt', 401, ''],
    ['invalid_token', `/download/a.txt?token=ps_${'x'.repeat(32)}`, 401, 'any'],
    ['invalid_request', '/download/a%5ctxt', mode === 'X-Accel' ? 400 : 403, ''],
  ])('a denial: %s', async (code, target, status, tokenId) => {
    for (const Accept of ['*/*', 'text/html']) {
      const line = await logged(target, { Accept });
      expect(line).toMatchObject({ code, status, subject: '' });
      expect(line.token_id === '').toBe(tokenId === '');
    }
  });

  test('traceparent: the right form is in both logs, any other form in none', async () => {
    const TRACE = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    let sent: unknown;
    site.gate.server.on('request', ({ headers }) => {
      sent = headers.traceparent;
    });
    const target = `/download/a.txt?token=${token}`;
    const line = await logged(target, { Traceparent: TRACE });
    expect([line.status, line.traceparent, sent]).toEqual([200, TRACE, TRACE]);
    const zero = TRACE.replace('00f067aa0ba902b7', '0'.repeat(16));
    for (const other of [TRACE.toUpperCase(), `${TRACE}x`, `x${TRACE}`, zero, token, 'a\x01b']) {
      const line = await logged(target, { Traceparent: other });
      expect([line.status, line.traceparent, sent], other).toEqual([200, '', undefined]);
    }
    const twice = await logged(target, { Traceparent: [TRACE, TRACE] });
    // Before 1.23, nginx reads the first of several header lines, and does not join them.
    const first = (await isNginxBefore(1, 23, 0)) ? TRACE : undefined;
    expect([twice.status, twice.traceparent, sent]).toEqual([200, first ?? '', first]);
  });

  test.each([
    ['/elsewhere', 404],
    ['/app/', 200],
  ])('a request outside the protected locations: %s', async (target, status) => {
    expect(await logged(target)).toMatchObject({ status, code: '', token_id: '', subject: '' });
  });

  test('a download that the client aborted has no completion', async () => {
    const connection = await openRaw(site.nginx.port);
    const headers = { 'User-Agent': 'broken-off' };
    connection.socket.once('data', () => connection.close());
    connection.socket.write(requestBytes('GET', `/download/big.bin?token=${token}`, headers));
    const line = await site.line('broken-off');
    expect(line).toMatchObject({ status: 200, completion: '', code: 'allow', token_id: id });
    expect(line.bytes).toBeLessThan(9_000_000);
  });

  const jwt = [{ alg: 'EdDSA', typ: 'postern+jwt' }, { iss: 'https://files.example' }]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .concat('s'.repeat(86))
    .join('.');

  test.each([
    ['https://a.example:8443/b?c', 'https://a.example:8443'],
    ['http://[::1]', 'http://[::1]'],
    ['', ''],
    ['/a', ''],
    ['https://ada@a.example/', ''],
    [`https://ps_${'x'.repeat(32)}.example/`, ''],
    [`https://${jwt}/`, ''],
  ])('the Referer is cut to its origin: %s', async (referer, expected) => {
    expect((await logged('/', { Referer: referer })).referer).toBe(expected);
  });

  const V = 'x'.repeat(21);
  test.runIf(canMeasureCpu && mode === 'auth_request').each([
    ['tokens', (t: string) => `/${t}/ps_${'x'.repeat(3500)}/${'ps_a/'.repeat(700)}`],
    ['beginnings of JWTs', () => `/${'ey'.repeat(3500)}`],
    ['beginnings of JWTs, apart', () => `/${'~ey'.repeat(2300)}`],
    ['beginnings of JWTs, after an encoded character', () => `/${'%7Eey'.repeat(1400)}`],
    ['JWTs without their end', () => `/${`~ey${V}.${V}.`.repeat(140)}`],
    ['JWTs without their middle', () => `/${`~ey${V}.`.repeat(280)}`],
    ['one long beginning', () => `/~ey${'%41'.repeat(2300)}`],
  ])('log: a request line of %s costs nginx little CPU time', async (_, make) => {
    const slow = make(token);
    const asking = (target: string) => () => site.ask('GET', target);
    await expectCheap(site, asking(`/${'x'.repeat(slow.length - 1)}`), asking(slow));
  });

  test('hostile text stays in its field', async () => {
    const line = await logged('/download/"},{"a":"\\x01', { Referer: '","code":"allow' });
    const request = 'GET /download/"},{"a":"\\x01 HTTP/1.1';
    expect(line).toMatchObject({ code: 'invalid_request', request });
  });

  test('the line names the file although the gate does not answer', async () => {
    const down = await siteForTest({ mode });
    await down.gate.stop();
    await down.ask('GET', `/download/~${token}/film/part%201.ts`, { 'User-Agent': 'down' });
    expect(await down.line('down')).toMatchObject({
      request: 'GET /download/~***/film/part%201.ts HTTP/1.1',
      ...{ status: 503, token_id: '', code: 'unavailable' },
    });
  });

  test('every line is JSON, and no token is anywhere', async () => {
    const text = await site.log();
    const lines = text.trimEnd().split('\n');
    expect(lines.length).toBeGreaterThan(10);
    for (const line of lines) expect(() => JSON.parse(line)).not.toThrow();
    expect(text).not.toContain(token);
    expect(text).not.toMatch(TOKEN);
  });
});
