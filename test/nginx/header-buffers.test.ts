import { describe, expect, test } from 'vitest';
import { keptLog } from '../support/ask-api.ts';
import { forTest } from '../support/for-test.ts';
import { createSigned } from '../support/jwt/signed.ts';
import { apiKey, KEY, mount } from '../support/postern.ts';
import { type Headers, openRaw, requestBytes } from '../support/raw.ts';
import { modes, siteForTest, useSite } from '../support/site.ts';
import { CACHE_CONF } from '../support/snippet.ts';
import { startStorage } from '../support/storage.ts';

// With two gates, nginx counts failures. Here the first failure would disable a gate for an hour.
const SERVERS = 'server unix:$dir/gate.sock max_fails=1 fail_timeout=1h;'.repeat(2);

const HEADERS = `
  Authorization Purpose Sec-Purpose Service-Worker traceparent Origin Sec-Fetch-Site User-Agent
  Referer Accept-Language Accept Range`
  .trim()
  .split(/\s+/);

/** Requests of a client that has no token. Each header fits into a buffer of nginx. */
function requests(long: number): Array<readonly [method: string, path: string, Headers]> {
  const x = 'x'.repeat(long);
  const get = (headers: Headers, path = '/download/a') => ['GET', path, headers] as const;
  const cookies = { Cookie: [`postern=${x}; postern=${x}`, `postern_resume=${x}`] };
  return [
    ...HEADERS.map((name) => get({ [name]: x })),
    get({ Authorization: `Bearer ${x}` }),
    get({ Host: `${x}.example` }),
    get({ Cookie: `postern=${x}` }),
    get({ Cookie: `postern_resume=${x}` }),
    get({ Cookie: `postern=${x.slice(99)}; postern=a; postern=b` }),
    get({ Cookie: `postern=a; postern=b; postern=${x.slice(99)}` }),
    get({}, `/download/${x}`),
    get({}, `/download/${'%'.repeat(long)}`),
    get({}, `/download/a?${'%2f'.repeat(Math.floor(long / 3))}`),
    get({}, `/download/a?token=${x}`),
    get({}, `/download/~${x}/a`),
    // All at once.
    get({ Authorization: x, Purpose: x, 'Sec-Purpose': x, 'Service-Worker': x }),
    get({ Authorization: x, Purpose: x, 'Sec-Purpose': x }, `/download/${x}`),
    get({ Authorization: x, 'Sec-Purpose': x, 'Service-Worker': x }, `/download/${x}`),
    get({ Authorization: x, ...cookies, Accept: 'text/html' }, `/download/${x}`),
    // nginx sends this header with its request for a page. Node cannot read the second one.
    get({ Accept: 'text/html', 'Accept-Language': x }),
    get({ Accept: 'text/html', 'Accept-Language': 'a\x01b' }),
    ...['Authorization', 'Purpose', 'Origin', 'Sec-Fetch-Site'].map(
      (name) => ['POST', '/download/a', { [name]: x, 'Content-Length': '0' }] as const,
    ),
    ['POST', `/download/${x}`, { Authorization: x, Origin: x, Cookie: `postern=${x}` }],
    ['X'.repeat(long), '/download/a', {}],
    ['X'.repeat(long), '/download/a', { Authorization: x, Purpose: x, 'Sec-Purpose': x }],
  ];
}

describe.each([
  // The default of nginx is four headers of 8 KB. A site may allow more.
  [8_020, ''],
  [32_090, 'large_client_header_buffers 8 64k;'],
  [60_000, 'large_client_header_buffers 8 64k;'],
])('no request of a client disables a gate: %i characters', (long, buffers) => {
  describe.each([
    ...modes.map((mode) => [mode, 'without a cache', ''] as const),
    ['auth_request', 'with the decision cache', CACHE_CONF] as const,
  ])('%s, %s', (mode, _, cache) => {
    const http = `${cache} ${buffers}`;
    const options = { mode, http, servers: SERVERS, decisionTtl: 60, files: { a: 'A' } };
    const site = useSite(options);

    test('a valid token opens its file after each of them', async () => {
      const { url } = await site.issue({ path: '/download/a' });
      for (const [method, path, headers] of requests(long)) {
        const what = `${method.slice(0, 9)} ${path.slice(0, 30)} ${Object.keys(headers)}`;
        for (const target of [path, path.replace(/^\/download\/a$/, url)]) {
          const connection = await openRaw(site.nginx.port);
          // nginx closes some connections without a response, such as those with a too large body.
          await connection.send(requestBytes(method, target, headers)).catch(() => {});
          connection.close();
        }
        expect((await site.ask('GET', url)).text, what).toBe('A');
        // A token without a cached decision.
        const next = await site.issue({ path: '/download/a' });
        expect((await site.ask('GET', next.url)).text, what).toBe('A');
      }
      const errors = (await site.nginx.errorLog()).match(/\[(?:error|crit|alert)\].{0,90}/g);
      expect(errors).toBe(null);
    });
  });
});

// On a Unix socket, nginx gets an error as soon as the gate closes the connection, even if the gate has answered.
test.each(['8 32k', '8 128k'])(
  'more headers than the gate reads disable no gate: large_client_header_buffers %s',
  async (buffers) => {
    const site = await siteForTest({
      mode: 'auth_request',
      http: `large_client_header_buffers ${buffers};`,
      servers: SERVERS,
      files: { a: 'A' },
    });
    const { url } = await site.issue({ path: '/download/a' });
    const [count = 0, kilobytes = 0] = buffers.split(' ').map(Number.parseFloat);
    const x = 'x'.repeat(kilobytes * 1000);
    // With two cookies `postern`, nginx sends all cookies.
    const Cookie = ['postern=a; postern=b', ...Array.from({ length: count - 1 }, () => x)];
    const long = () => site.ask('GET', url, { Cookie });
    const valid = () => site.ask('GET', url);
    for (let round = 0; round < 5; round += 1) {
      const answers = await Promise.all(
        [long, valid, long, valid, long, valid].map((ask) => ask()),
      );
      expect(answers.map(({ status }) => status)).toEqual([403, 200, 403, 200, 403, 200]);
    }
    expect(await site.nginx.errorLog()).not.toContain('[error]');
  },
);

// nginx counts the gate as failed if a response does not fit the snippets' buffers.
describe.each(modes)('buffers: the largest response of the gate fits by %s', (mode) => {
  const deep = `${Array.from({ length: 7 }, () => '漢'.repeat(85)).join('/')}/${'漢'.repeat(80)}a`;
  const grant = { subject: '漢'.repeat(256), filename: '漢'.repeat(255), limit_rate: 1e12 };
  const folder = `${[...'abcdefghijk'].map((letter) => letter.repeat(83)).join('/')}/`;
  const name = Array.from({ length: 3 }, () => '漢'.repeat(80)).join('/');
  const site = useSite(async () => {
    const mounts = [mount('/download/', '/protected/', { passArguments: ['start'] })];
    const { jwt, clock } = await createSigned({ mounts });
    const files = { [deep]: 'the whole', [`${folder}${name}`]: 'the whole' };
    const apiKeys = [apiKey(KEY, { targets: ['/protected/'] })];
    return { mode, files, mounts, apiKeys, jwt, now: () => clock.now };
  });
  async function opens(target: string, headers = {}): Promise<Response> {
    const answer = await site.fetch(target, { headers });
    expect([answer.status, await answer.text()]).toEqual([200, 'the whole']);
    expect(await site.nginx.errorLog()).not.toContain('[error]');
    return answer;
  }

  test('with the longest path and arguments', async () => {
    expect(Buffer.byteLength(`/download/${deep}`)).toBeGreaterThan(2040);
    const { url } = await site.issue({ path: `/download/${deep}`, ...grant });
    await opens(`${url}&start=${'+'.repeat(680)}`);
  });

  test('with target_args', async () => {
    const target_args = `X-Amz-Security-Token=${'%2F'.repeat(1358)}a`;
    const target = { target: `/protected/${deep}`, target_args, max_uses: 1 };
    await opens((await site.issue({ path: `/download/${deep}`, ...grant, ...target })).url);
  });

  test.each(['opaque', 'jwt'])('with cookies, for a token of the format %s', async (format) => {
    const prefix = `/download/${folder}`;
    const issued = await site.issue({ prefix, ...grant, format, cookie: true, max_uses: 1 });
    const secrets = Array.from({ length: 9 }, (_, i) => String(i).repeat(22)).join('.');
    const target = `${issued.url}${encodeURI(name)}?start=${'+'.repeat(680)}`;
    const answer = await opens(target, { cookie: `postern_resume=${secrets}` });
    const [resume = '', kept = ''] = answer.headers.getSetCookie();
    expect(resume).toMatch(/^postern_resume=([\w-]{22}\.){7}[\w-]{22}; Path=\/download\/;/);
    expect(kept).toContain(`postern=${issued.access_token}; Path=${prefix};`);
  });
});

const { log, parsed } = keptLog();

describe.each(modes)('control characters in headers that the gate gets by %s', (mode) => {
  const site = useSite({ mode, log, files: { a: 'file a' } });

  test.each<[string, Headers]>([
    ['Authorization', { Authorization: 'Bearer a\x01b' }],
    ['a cookie', { Cookie: 'postern=a\x7fb' }],
    ['a resume cookie', { Cookie: 'postern_resume=\x02' }],
    ['Purpose', { Purpose: '\x03' }],
  ])('in %s the request is denied and logged for every token', async (_, headers) => {
    const { url } = await site.issue({ path: '/download/a' });
    expect((await site.ask('GET', url)).text).toBe('file a');
    const before = parsed().length;
    for (const target of [url, '/download/a']) {
      const answer = await site.ask('GET', target, headers);
      expect(answer.status).toBe(403);
      expect(answer.text).not.toContain('file a');
    }
    const lines = parsed().slice(before);
    const line = { code: 'invalid_request', request_id: expect.stringMatching(/^[0-9a-f]{32}$/) };
    expect(lines).toEqual([1, 2].map(() => expect.objectContaining({ ...line, msg: 'decision' })));
    expect(JSON.stringify(lines)).not.toContain(url.slice(-30));
    // The next request has a new connection.
    expect((await site.ask('GET', url)).text).toBe('file a');
  });

  test('in Accept-Language the denial has no page, and one line', async () => {
    const before = parsed().length;
    const headers = { Accept: 'text/html', 'Accept-Language': 'a\x01b' };
    const answer = await site.ask('GET', '/download/a', headers);
    expect([answer.status, answer.header('Content-Type')]).toEqual([401, 'text/plain']);
    expect(parsed().slice(before)).toEqual([expect.objectContaining({ code: 'missing_token' })]);
  });
});

// The upstream that `postern nginx` writes, for an object store with two addresses. It closes the connection at a
// header that it cannot read.
test.each([
  ['max_fails=3 fail_timeout=1s', 200],
  ['', 503],
])('object store: a request disables no address with "%s": %i', async (parameters, status) => {
  const storage = await forTest(startStorage({}));
  storage.answer = (request, response) => {
    if ((request.headers['if-range']?.length ?? 0) > 1000) request.destroy();
    else response.end('an object');
  };
  const server = `server 127.0.0.1:${storage.port} ${parameters};`;
  const site = await siteForTest({
    mode: 'auth_request',
    http: `upstream postern_storage_1 { ${server} ${server} keepalive 64; }`,
    internal: `
        include postern/internal-proxy.conf;
        proxy_pass http://postern_storage_1/$postern_object?$args;`,
  });
  const { url } = await site.issue({ path: '/download/a.txt' });
  expect((await site.ask('GET', url, { 'If-Range': 'x'.repeat(2000) })).status).toBe(503);
  expect((await site.ask('GET', url)).status).toBe(status);
});
