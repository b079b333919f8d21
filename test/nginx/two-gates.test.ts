import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Headers, openRaw, requestBytes } from '../support/raw.ts';
import { modes, type Site, startSite } from '../support/site.ts';
import { CACHE_CONF } from '../support/snippet.ts';

// With two gates, nginx counts failures. Here the first failure would disable a gate for an hour.
const SERVERS = 'server 127.0.0.1:$gate max_fails=1 fail_timeout=1h;'.repeat(2);

const HEADERS = [
  'Authorization',
  'Purpose',
  'Sec-Purpose',
  'Service-Worker',
  'traceparent',
  'Origin',
  'Sec-Fetch-Site',
  'User-Agent',
  'Referer',
  'Accept-Language',
  'Accept',
  'Range',
];

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
    let site: Site;
    beforeAll(async () => {
      const http = `${cache} ${buffers}`;
      site = await startSite({ mode, http, servers: SERVERS, decisionTtl: 60, files: { a: 'A' } });
      site.gate.server.on('clientError', site.postern.denyUnreadable);
    });
    afterAll(() => site.stop());

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
