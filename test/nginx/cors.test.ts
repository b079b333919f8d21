import { describe, expect, test } from 'vitest';
import type { RawAnswer } from '../support/raw.ts';
import { countAsked, failWhile, modes, siteForTest, useSite } from '../support/site.ts';
import { corsFor } from '../support/snippet.ts';

const ORIGIN = 'https://app.example';
const HSTS = 'add_header Strict-Transport-Security max-age=9 always;';
const PREFLIGHT = {
  Origin: ORIGIN,
  'Access-Control-Request-Method': 'GET',
  'Access-Control-Request-Headers': 'authorization,range',
};

function told(answer: RawAnswer) {
  const about = /^(access-control-|vary$)/;
  return Object.fromEntries(
    answer.headers
      .filter(([name]) => about.test(name))
      .map(([name, value]) => [name.replace('access-control-', ''), value]),
  );
}

const READABLE = {
  'allow-origin': ORIGIN,
  'allow-credentials': 'true',
  'expose-headers': expect.stringMatching(
    /^Accept-Ranges, Content-Range, Content-Length, Content-Disposition, ETag\b/,
  ),
};

describe.each(modes)('CORS: pages of other origins by %s', (mode) => {
  let url: string;
  let down = false;
  let asked = () => 0;

  const site = useSite(
    {
      mode,
      files: { 'a.txt': 'file a' },
      http: corsFor(ORIGIN, 'http://localhost:5173'),
      server: `include postern/cors-headers.conf; ${HSTS}`,
      locations: 'location / { return 200 "the front page"; }',
    },
    async () => {
      asked = countAsked(site);
      url = (await site.issue({ path: '/download/a.txt' })).url;
      failWhile(site, () => down);
    },
  );

  test('a preflight is answered without a token and allows nothing', async () => {
    const before = asked();
    for (const target of ['/download/a.txt', '/download/none', url, `${url}&token=x`]) {
      const answer = await site.ask('OPTIONS', target, PREFLIGHT);
      expect([answer.status, answer.text]).toEqual([204, '']);
      expect(told(answer)).toEqual({
        'allow-origin': ORIGIN,
        'allow-credentials': 'true',
        'allow-methods': 'GET, HEAD',
        'allow-headers': expect.stringContaining('Authorization, Range'),
        'max-age': '600',
        vary: 'Origin',
      });
    }
    expect(asked()).toBe(before);
    // A request that looks like a preflight opens nothing.
    for (const method of ['GET', 'HEAD', 'POST']) {
      const answer = await site.ask(method, '/download/a.txt', PREFLIGHT);
      expect([401, 403]).toContain(answer.status);
    }
  });

  test.each([
    ['of an origin that is not listed', { ...PREFLIGHT, Origin: 'https://evil.example' }],
    ['of a longer one', { ...PREFLIGHT, Origin: `${ORIGIN}.evil.example` }],
    ['of a shorter one', { ...PREFLIGHT, Origin: 'https://app.exampl' }],
    ['of another scheme', { ...PREFLIGHT, Origin: 'http://app.example' }],
    ['of another port', { ...PREFLIGHT, Origin: `${ORIGIN}:8443` }],
    ['of a sandbox', { ...PREFLIGHT, Origin: 'null' }],
    ['without an Origin', { 'Access-Control-Request-Method': 'GET' }],
  ])('a preflight %s is denied without CORS headers', async (_, headers) => {
    for (const target of ['/download/a.txt', url]) {
      const answer = await site.ask('OPTIONS', target, headers);
      expect([401, 403]).toContain(answer.status);
      expect(told(answer)).toEqual({});
    }
  });

  test('OPTIONS without preflight headers is denied like other methods', async () => {
    const answer = await site.ask('OPTIONS', url, { Origin: ORIGIN });
    expect(answer.status).toBe(403);
    expect(told(answer)).toEqual(READABLE);
  });

  test.each([
    ['the file', 200, {}],
    ['a range', 206, { Range: 'bytes=0-2' }],
    ['a range beyond the end', 416, { Range: 'bytes=99-' }],
    ['a missing file', 404, {}, '/download/none'],
  ])('a delivery can be read: %s', async (_, status, headers, path = '/download/a.txt') => {
    const { url: own } = await site.issue({ path });
    for (const method of ['GET', 'HEAD']) {
      const answer = await site.ask(method, own, { ...headers, Origin: ORIGIN });
      expect(answer.status).toBe(status);
      expect(told(answer)).toEqual(READABLE);
      const names = answer.headers.map(([name]) => name).filter((name) => name !== 'cache-control');
      expect(names).toEqual([...new Set(names)]);
    }
  });

  test.each([undefined, 'text/html'])('denials can be read, as %s', async (Accept = '*/*') => {
    const denials = [
      ['/download/a.txt', 401],
      [`/download/a.txt?token=ps_${'x'.repeat(32)}`, 401],
      [url.replace('a.txt', 'b.txt'), 403],
      [url.replace('a.txt', 'a%5c'), mode === 'X-Accel' ? 400 : 403],
      [url, 503],
    ] as const;
    for (const [target, status] of denials) {
      down = status === 503;
      const answer = await site.ask('GET', target, { Origin: ORIGIN, Accept });
      down = false;
      expect(answer.status).toBe(status);
      expect(told(answer)).toEqual(READABLE);
      expect(answer.text).not.toBe('');
      // The pages and a 503 have their own add_header lines.
      if (status !== 503 && Accept === '*/*') {
        expect(answer.header('strict-transport-security')).toBe('max-age=9');
      }
    }
  });

  test('each listed origin gets only its own name', async () => {
    const answer = await site.ask('GET', url, { Origin: 'http://localhost:5173' });
    expect(told(answer)).toEqual({ ...READABLE, 'allow-origin': 'http://localhost:5173' });
  });

  test('other origins get the file without CORS headers', async () => {
    for (const Origin of ['https://evil.example', 'null', '*', '']) {
      const answer = await site.ask('GET', url, { Origin });
      expect([answer.status, answer.text]).toEqual([200, 'file a']);
      expect(told(answer)).toEqual({});
    }
    expect(told(await site.ask('GET', url))).toEqual({});
    expect(told(await site.ask('GET', '/download/a.txt'))).toEqual({});
  });

  test('other locations of the site have no CORS headers', async () => {
    const answer = await site.ask('GET', '/', { Origin: ORIGIN });
    expect([answer.status, told(answer)]).toEqual([200, {}]);
    const preflight = await site.ask('OPTIONS', '/', PREFLIGHT);
    expect(told(preflight)).toEqual({});
    const hidden = await site.ask('GET', '/protected/a.txt', { Origin: ORIGIN });
    expect([hidden.status, told(hidden)]).toEqual([404, {}]);
  });

  test('a 503 of a stopped service can be read', async () => {
    const server = 'include postern/cors-headers.conf;';
    const dead = await siteForTest({ mode, http: corsFor(ORIGIN), server });
    await dead.gate.stop();
    const answer = await dead.ask('GET', '/download/a.txt', { Origin: ORIGIN });
    expect([answer.status, told(answer)]).toEqual([503, READABLE]);
    const preflight = await dead.ask('OPTIONS', '/download/a.txt', PREFLIGHT);
    expect(preflight.status).toBe(204);
  });

  /** The answers to a delivery, a denial and a preflight of another site. */
  async function answersOf(http: string) {
    const server = 'include postern/cors-headers.conf;';
    const other = await siteForTest({ mode, files: { 'a.txt': 'file a' }, http, server });
    const { url: own } = await other.issue({ path: '/download/a.txt' });
    const answers = [
      await other.ask('GET', own, PREFLIGHT),
      await other.ask('GET', '/download/a.txt', PREFLIGHT),
      await other.ask('OPTIONS', own, PREFLIGHT),
    ];
    return { answers, errors: await other.nginx.errorLog() };
  }

  test('CORS: "*" is never sent with credentials', async () => {
    const { answers } = await answersOf(corsFor().replace('default "";', 'default "*";'));
    for (const answer of answers) {
      expect(answer.header('access-control-allow-origin')).toBe('*');
      expect(answer.header('access-control-allow-credentials')).toBeUndefined();
    }
  });

  test('CORS: without a list of origins there are no CORS headers', async () => {
    const { answers, errors } = await answersOf('');
    for (const answer of answers) expect(told(answer)).toEqual({});
    expect(errors).not.toMatch(/uninitialized|\[(warn|error)\]/);
  });
});
