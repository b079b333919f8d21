import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { MAX_JWT_LENGTH } from '../../service/token/token.ts';
import { projectRoot } from '../harness/paths.ts';
import { waitFor } from '../harness/wait.ts';
import type { Headers, RawAnswer } from '../support/raw.ts';
import { openRaw, requestBytes } from '../support/raw.ts';
import { modes, type Site, type SiteOptions, startSite } from '../support/site.ts';
import { CACHE_PATH } from '../support/snippet.ts';

const FILES = { 'a.txt': 'file a', 'b.txt': 'file b', 'sub/a.txt': 'file a' };

// Cache directives of a site, which the snippets inherit.
const HOSTILE = `
  proxy_cache site; proxy_cache_valid any 10m; proxy_cache_key one; proxy_cache_min_uses 1;
  proxy_cache_methods GET HEAD POST; proxy_cache_lock on; proxy_cache_revalidate on;
  proxy_cache_use_stale error timeout updating invalid_header http_403 http_429 http_500 http_503;
  proxy_cache_background_update on; proxy_no_cache 0; proxy_cache_bypass $arg_fresh;
  proxy_ignore_headers X-Accel-Expires Expires Cache-Control Set-Cookie Vary;
  proxy_cache_convert_head off; proxy_cache_max_range_offset 10;`;
const PATH = 'proxy_cache_path $files/../cache keys_zone=site:1m;';

interface Counted extends Site {
  /** How often the gate was asked. */
  asked(): number;
}

async function site({
  path = CACHE_PATH,
  ...options
}: Partial<SiteOptions> & { path?: string } = {}): Promise<Counted> {
  const started = await startSite({
    mode: 'auth_request',
    files: FILES,
    decisionTtl: 60,
    ...options,
    http: `${path} include postern/cache.conf;\n${options.http ?? ''}`,
  });
  onTestFinished(started.stop);
  let asked = 0;
  started.gate.server.on('request', () => {
    asked += 1;
  });
  return { ...started, asked: () => asked };
}

const seen = ({ status, text }: RawAnswer) => [status, text];

test('decision cache: an allowed decision is reused', async () => {
  const { issue, ask, asked, log, nginx } = await site();
  const { url, id } = await issue({
    path: '/download/a.txt',
    filename: 'report.txt',
    subject: 'ada',
  });
  for (let i = 0; i < 5; i += 1) {
    const answer = await ask('GET', url);
    expect(seen(answer)).toEqual([200, 'file a']);
    expect(answer.header('content-disposition')).toContain('report.txt');
  }
  expect(asked()).toBe(1);
  const lines = await waitFor(
    async () => {
      const all = (await log()).trimEnd().split('\n');
      return all.length === 5 && all;
    },
    { what: 'five lines' },
  );
  for (const line of lines) {
    expect(JSON.parse(line)).toMatchObject({ token_id: id, subject: 'ada', code: 'allow' });
  }
  const kept = join(nginx.dir, 'postern-decisions');
  expect((await stat(kept)).mode & 0o777).toBe(0o700);
  expect(await readdir(kept)).toHaveLength(1);
});

/**
 * Asks until the status is `end`. Returns for how many seconds the answers before it were the first
 * one, used again: by nginx's own clock, so that a busy machine makes no difference.
 */
async function reusedFor(first: RawAnswer, end: number, ask: () => Promise<RawAnswer>) {
  const secondOf = (answer: RawAnswer) => Date.parse(answer.header('date') ?? '') / 1000;
  let last = first;
  await waitFor(
    async () => {
      const answer = await ask();
      if (answer.status === end) return true;
      expect(answer.status).toBe(first.status);
      last = answer;
      return false;
    },
    { what: `status ${end}` },
  );
  return secondOf(last) - secondOf(first);
}

describe('decision cache: its TTL', () => {
  test('decision cache: a TTL of 0 caches nothing', async () => {
    const { issue, ask, asked, nginx } = await site({ decisionTtl: 0 });
    const { url } = await issue({ path: '/download/a.txt' });
    for (let i = 0; i < 3; i += 1) expect((await ask('GET', url)).status).toBe(200);
    expect(asked()).toBe(3);
    expect(await readdir(join(nginx.dir, 'postern-decisions'))).toEqual([]);
  });

  test('decision cache: a revoked token is allowed until the TTL ends, then denied', async () => {
    const { issue, ask, postern, asked } = await site({ decisionTtl: 1 });
    const { url, id } = await issue({ path: '/download/a.txt' });
    const first = await ask('GET', url);
    expect(first.status).toBe(200);
    await postern.store.revoke(id, 'test');
    expect(await reusedFor(first, 401, () => ask('GET', url))).toBeLessThanOrEqual(1);
    const before = asked();
    for (let i = 0; i < 3; i += 1) expect((await ask('GET', url)).status).toBe(401);
    expect(asked()).toBe(before + 3);
  });

  test.each([
    ['', {}],
    [', even if the site allows stale answers', { http: PATH, server: HOSTILE }],
  ])('decision cache: no stale decision while the service is down%s', async (_, more) => {
    const { issue, ask, gate } = await site({ decisionTtl: 1, ...more });
    const { url } = await issue({ path: '/download/a.txt' });
    const first = await ask('GET', url);
    expect(first.status).toBe(200);
    await gate.stop();
    expect(await reusedFor(first, 503, () => ask('GET', url))).toBeLessThanOrEqual(1);
    for (let i = 0; i < 3; i += 1) expect((await ask('GET', url)).status).toBe(503);
  });

  test('decision cache: a decision ends with its token, even if the TTL is longer', async () => {
    const clock = { now: Date.now() };
    const { issue, ask } = await site({ now: () => clock.now });
    const { url } = await issue({ path: '/download/a.txt', expires_in: 3 });
    const first = await ask('GET', url);
    expect(first.status).toBe(200);
    clock.now += 3_000;
    // One second less than the token had left, because nginx counts whole seconds.
    expect(await reusedFor(first, 401, () => ask('GET', url))).toBeLessThanOrEqual(2);
  });
});

test('decision cache: a denial is not cached', async () => {
  const { issue, ask, asked, postern } = await site();
  const { url, id, access_token: token } = await issue({ path: '/download/a.txt' });
  const { findTimed } = postern.store;
  postern.store.findTimed = async () => undefined;
  for (let i = 0; i < 3; i += 1) expect((await ask('GET', url)).status).toBe(401);
  postern.store.findTimed = findTimed;
  expect((await ask('GET', url)).status).toBe(200);
  expect(asked()).toBe(4);

  for (let i = 0; i < 3; i += 1) {
    expect((await ask('GET', '/download/a.txt')).status).toBe(401);
    expect((await ask('GET', `/download/b.txt?token=${token}`)).status).toBe(403);
  }
  expect(asked()).toBe(10);
  await postern.store.revoke(id, 'test');
});

describe('decision cache: two users of one URL', () => {
  const ways: Readonly<Record<string, (token: string) => Record<string, string>>> = {
    Authorization: (token) => ({ Authorization: `Bearer ${token}` }),
    'a cookie': (token) => ({ Cookie: `postern=${token}` }),
    'a cookie after a stale one': (token) => ({
      Cookie: `postern=ps_${'x'.repeat(32)}; postern=${token}`,
    }),
    'the fourth cookie': (token) => ({
      Cookie: `postern=a; postern=b; postern=c; postern=${token}`,
    }),
    'a cookie, with a Basic password': (token) => ({
      Cookie: `postern=${token}`,
      Authorization: 'Basic dTpw',
    }),
  };

  test.each(Object.entries(ways))('with the token in %s', async (_, headers) => {
    const { issue, ask, asked } = await site();
    const path = '/download/a.txt';
    const [mine, yours, other] = await Promise.all([
      issue({ path, filename: 'mine.txt' }),
      issue({ path, filename: 'yours.txt' }),
      issue({ path: '/download/b.txt' }),
    ]);
    for (let i = 0; i < 2; i += 1) {
      const first = await ask('GET', path, headers(mine.access_token));
      expect(first.header('content-disposition')).toContain('mine.txt');
      const second = await ask('GET', path, headers(yours.access_token));
      expect(second.header('content-disposition')).toContain('yours.txt');
      const foreign = await ask('GET', path, headers(other.access_token));
      expect([401, 403]).toContain(foreign.status);
      expect((await ask('GET', path, headers(`ps_${'x'.repeat(32)}`))).status).toBe(401);
      expect((await ask('GET', path)).status).toBe(401);
    }
    // Two allows, and the six denials. A decision on several cookies is not cached.
    const several = JSON.stringify(headers('')).split('postern=').length > 2;
    expect(asked()).toBe(several ? 10 : 8);
  });

  test('with the token in the query and in the path', async () => {
    const { issue, ask, asked } = await site();
    const folder = await issue({ prefix: '/download/' });
    const query = await issue({ path: '/download/a.txt' });
    for (let i = 0; i < 2; i += 1) {
      expect(seen(await ask('GET', `${folder.url}a.txt`))).toEqual([200, 'file a']);
      expect(seen(await ask('GET', `${folder.url}b.txt`))).toEqual([200, 'file b']);
      expect(seen(await ask('GET', query.url))).toEqual([200, 'file a']);
      expect((await ask('GET', query.url.replace('a.txt', 'b.txt'))).status).toBe(403);
      expect((await ask('GET', `${query.url}&x`)).status).toBe(200);
      expect((await ask('GET', '/download/a.txt')).status).toBe(401);
    }
    // Three allows; two denials and the unused argument, twice each.
    expect(asked()).toBe(3 + 2 * 3);
  });
});

describe('decision cache: a decision is not reused for', () => {
  const token = (site: Site) => site.issue({ path: '/download/a.txt' });

  test('another method', async () => {
    const started = await site();
    const { url } = await token(started);
    expect(seen(await started.ask('GET', url))).toEqual([200, 'file a']);
    expect(seen(await started.ask('HEAD', url))).toEqual([200, '']);
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PROPFIND', 'get']) {
      expect([400, 403, 405], method).toContain((await started.ask(method, url)).status);
    }
    // And in the other order: the decision for HEAD is not used for GET.
    const { url: next } = await token(started);
    expect(seen(await started.ask('HEAD', next))).toEqual([200, '']);
    expect(seen(await started.ask('GET', next))).toEqual([200, 'file a']);
  });

  test.each([
    ['a prefetch', { 'Sec-Purpose': 'prefetch' }],
    ['a preview', { Purpose: 'preview' }],
    ["a service worker's script", { 'Service-Worker': 'script' }],
  ])('%s', async (_, headers) => {
    const started = await site();
    const { url } = await token(started);
    const plain = await startSite({ mode: 'auth_request', files: FILES });
    onTestFinished(plain.stop);
    const expected = await plain.ask('GET', (await token(plain)).url, headers);
    expect((await started.ask('GET', url)).status).toBe(200);
    expect((await started.ask('GET', url, headers)).status).toBe(expected.status);
    expect(started.asked()).toBe(2);
  });

  test('another address', async () => {
    const started = await site();
    const { url } = await token(started);
    for (const address of ['127.0.0.1', '127.0.0.2', '127.0.0.1', '127.0.0.2']) {
      const connection = await openRaw(started.nginx.port, address);
      expect((await connection.send(requestBytes('GET', url))).status).toBe(200);
      connection.close();
    }
    expect(started.asked()).toBe(2);
  });

  test('another server block', async () => {
    const started = await site({
      http: `server { listen 127.0.0.1:$port; server_name other.example;
        include postern/auth-request.conf;
        location ^~ /download/ { include postern/protect.conf; }
        location ^~ /protected/ { include postern/internal.conf; alias $files/sub/; } }`,
    });
    const { url } = await started.issue({ path: '/download/b.txt' });
    expect(seen(await started.ask('GET', url))).toEqual([200, 'file b']);
    const answer = await started.ask('GET', url, { Host: 'other.example' });
    expect(answer.status).toBe(404);
    expect(started.asked()).toBe(2);
  });

  // With a separator that a value may contain, two requests could have the same key.
  test('a request whose joined values look the same', async () => {
    const started = await site();
    const { access_token: secret } = await token(started);
    const path = '/download/a.txt';
    const good = { Authorization: `Bearer ${secret}` };
    expect((await started.ask('GET', path, good)).status).toBe(200);
    for (const headers of [
      { Cookie: `postern="Bearer ${secret}"` },
      { Cookie: `postern=Bearer${secret}` },
      { 'Sec-Purpose': `Bearer ${secret}` },
      { 'Service-Worker': `Bearer ${secret}` },
    ]) {
      expect((await started.ask('GET', path, headers)).status).toBe(401);
    }
  });
});

test.each([
  ['counted', { max_uses: 5 }],
  ['resumable', { resume_for: 60 }],
  ['bound to addresses', { ip: ['127.0.0.0/8'] }],
])('decision cache: a decision for a %s token is never reused', async (_, more) => {
  const { issue, ask, asked } = await site();
  const { url } = await issue({ path: '/download/a.txt', ...more });
  for (let i = 0; i < 3; i += 1) expect((await ask('GET', url)).status).toBe(200);
  expect(asked()).toBe(3);
});

test('decision cache: max_uses 1 allows one of eight simultaneous requesters', async () => {
  const { issue, nginx } = await site();
  const { url } = await issue({ path: '/download/a.txt', max_uses: 1 });
  const statuses = await Promise.all(
    Array.from({ length: 8 }, async (_, i) => {
      const connection = await openRaw(nginx.port, `127.0.0.${10 + i}`);
      const { status } = await connection.send(requestBytes('GET', url));
      connection.close();
      return status;
    }),
  );
  expect(statuses.sort()).toEqual([200, 401, 401, 401, 401, 401, 401, 401]);
});

test('decision cache: a response that sets a cookie is not reused', async () => {
  const { issue, ask, asked } = await site();
  const { url, access_token: token } = await issue({ prefix: '/download/sub/', cookie: true });
  for (let i = 0; i < 3; i += 1) {
    expect((await ask('GET', `${url}a.txt`)).header('set-cookie')).toContain(`postern=${token}`);
  }
  expect(asked()).toBe(3);
  // A client that has the cookie: the gate is asked once.
  for (let i = 0; i < 3; i += 1) {
    const answer = await ask('GET', `${url}a.txt`, { Cookie: `postern=${token}` });
    expect([answer.status, answer.header('set-cookie')]).toEqual([200, undefined]);
  }
  expect(asked()).toBe(4);
});

describe('decision cache: cache directives of the site have no effect', () => {
  test.each(['http', 'server'])('in its %s block', async (place) => {
    const { issue, ask, asked, postern, files } = await site(
      place === 'http' ? { http: PATH + HOSTILE } : { http: PATH, server: HOSTILE },
    );
    const mine = await issue({ path: '/download/a.txt' });
    const counted = await issue({ path: '/download/b.txt', max_uses: 9 });
    for (let i = 0; i < 3; i += 1) {
      expect(seen(await ask('GET', mine.url))).toEqual([200, 'file a']);
      expect(seen(await ask('GET', counted.url))).toEqual([200, 'file b']);
      expect((await ask('GET', '/download/a.txt')).status).toBe(401);
      expect((await ask('GET', mine.url.replace('a.txt', 'b.txt'))).status).toBe(403);
    }
    expect(asked()).toBe(1 + 3 * 3);
    expect(await readdir(join(files, '..', 'cache'))).toEqual([]);
    const { findTimed } = postern.store;
    postern.store.findTimed = () => Promise.reject(new Error('gone'));
    expect((await ask('GET', mine.url)).status).toBe(200);
    expect((await ask('GET', `/download/b.txt?token=${mine.access_token}`)).status).toBe(503);
    postern.store.findTimed = findTimed;
  });

  test('ranges do not cause more requests to the gate', async () => {
    const { issue, ask, asked } = await site({ http: PATH, server: HOSTILE });
    const { url } = await issue({ path: '/download/a.txt' });
    for (const Range of ['bytes=0-1', 'bytes=3-', 'bytes=-1']) {
      expect((await ask('GET', url, { Range })).status).toBe(206);
    }
    expect(asked()).toBeLessThanOrEqual(2);
  });
});

describe('decision cache: other responses are not cached and allow nothing', () => {
  test.each([
    [200, { 'Postern-Target': '/protected/a.txt', 'X-Accel-Expires': '60' }],
    [206, { 'Postern-Target': '/protected/a.txt', 'X-Accel-Expires': '60' }],
    [204, { 'X-Accel-Expires': '60' }],
    [401, { 'X-Accel-Expires': '60' }],
    [403, { 'X-Accel-Expires': '60', 'Postern-Target': '/protected/a.txt' }],
    [304, { 'X-Accel-Expires': '60', 'Postern-Target': '/protected/a.txt' }],
  ])('a response with status %i', async (status, headers) => {
    const { ask, asked } = await site({
      gate: (_, response) =>
        void response.writeHead(status, headers as Record<string, string>).end(),
    });
    for (let i = 0; i < 3; i += 1) {
      const answer = await ask('GET', '/download/a.txt');
      expect(answer.status).toBe(status === 401 || status === 403 ? status : 503);
    }
    if (status !== 204) expect(asked()).toBe(3);
  });

  test('a 204 without X-Accel-Expires is not cached', async () => {
    const { ask, asked } = await site({
      http: PATH,
      server: HOSTILE,
      gate: (_, response) =>
        void response
          .writeHead(204, {
            'Postern-Target': '/protected/a.txt',
            'Cache-Control': 'max-age=60',
            Expires: 'Fri, 01 Jan 2100 00:00:00 GMT',
          })
          .end(),
    });
    for (let i = 0; i < 3; i += 1) expect((await ask('GET', '/download/a.txt')).status).toBe(200);
    expect(asked()).toBe(3);
  });

  test.each(['EXPIRED', 'STALE', 'UPDATING', 'REVALIDATED', 'BYPASS', 'MISS', 'HIT HIT', ''])(
    'the cache status %s is not accepted',
    async (state) => {
      const text = await snippet('auth-request');
      const rule = /if \(\$postern_answer !~ "(.*)"\)/.exec(text)?.[1] as string;
      expect(`/${state}`).not.toMatch(new RegExp(rule));
      expect(`304/${state}`).not.toMatch(new RegExp(rule));
      expect(`204/${state}`).toMatch(new RegExp(rule));
    },
  );
});

test('decision cache: the key has every value that is sent to the gate, except what it only logs', async () => {
  const [, ...bounded] = /map "(.*)" \$postern_decisions/.exec(await snippet('cache')) ?? [];
  // With one of the first values, nothing is cached.
  const [alone = '', ...key] = bounded.join().split('\\n');
  const sent = [...(await snippet('gate')).matchAll(/proxy_set_header \S+ "?([^";]*)"?;/g)];
  const rest = ['', 'postern', '$request_id', '$postern_traceparent'];
  const values = sent
    .flatMap(([, value = '']) => value.split(/(?=\$)/))
    .filter((one) => !rest.includes(one));
  expect([...key, ...alone.split(/(?=\$)/)].sort()).toEqual(
    [...values, '$postern_uncached'].sort(),
  );
  const whole = /proxy_cache_key "(.*)";/.exec(await snippet('auth-request'))?.[1] ?? '';
  expect(whole.split('\\n').sort()).toEqual(values.sort());
});

test('decision cache: the key is complete, even if a map of the site turns the cache on', async () => {
  const started = await startSite({
    mode: 'auth_request',
    files: FILES,
    decisionTtl: 60,
    http: `${CACHE_PATH}
      map "" $postern_decisions { default postern_decisions; }
      map "" $postern_not_kept { default 0; }`,
  });
  onTestFinished(started.stop);
  const { url } = await started.issue({ path: '/download/a.txt' });
  expect((await started.ask('GET', url)).text).toBe('file a');
  for (const other of ['/download/a.txt', url.replace('a.txt', 'b.txt')]) {
    expect((await started.ask('GET', other)).status).toBeGreaterThan(400);
  }
});

describe('decision cache: the length of the key', () => {
  const allow: SiteOptions['gate'] = (_, response) =>
    void response
      .writeHead(204, { 'Postern-Target': '/protected/a.txt', 'X-Accel-Expires': '60' })
      .end();
  const jwt = 'x'.repeat(MAX_JWT_LENGTH);

  test.each<[string, string, Headers]>([
    ['the query', `?token=${jwt}`, {}],
    ['Authorization', '', { Authorization: `Bearer ${jwt}` }],
    ['a cookie', '', { Cookie: `postern=${jwt}` }],
  ])('a JWT of the maximum length in %s is cached', async (_, query, headers) => {
    const { ask, asked } = await site({ gate: allow });
    for (let i = 0; i < 3; i += 1) {
      expect((await ask('GET', `/download/a.txt${query}`, headers)).text).toBe('file a');
    }
    expect(asked()).toBe(1);
  });

  test('a longer key is not cached', async () => {
    const { ask, asked } = await site({ gate: allow });
    const rest = ['127.0.0.1', 'files.example', 'GET', '/download/a.txt', '', '', ''].join('\n');
    for (const [length, times] of [
      [6000, 1],
      [6001, 2],
      [7900, 2],
    ] as const) {
      const before = asked();
      const Authorization = 'x'.repeat(length - rest.length);
      for (let i = 0; i < 2; i += 1) {
        expect((await ask('GET', '/download/a.txt', { Authorization })).text).toBe('file a');
      }
      expect(asked() - before).toBe(times);
    }
  });
});

test('decision cache: many URLs of one token do not grow its folder, and lose no response', async () => {
  const path = 'proxy_cache_path postern-decisions keys_zone=postern_decisions:32k;';
  const { issue, ask, nginx } = await site({ path });
  const { url } = await issue({ prefix: '/download/' });
  const other = await issue({ path: '/download/b.txt' });
  const connection = await openRaw(nginx.port);
  for (let i = 0; i < 600; i += 1) {
    const headers = { Authorization: `Basic ${i} ${'x'.repeat(5000)}` };
    expect((await connection.send(requestBytes('GET', `${url}a.txt`, headers))).status).toBe(200);
    if (i % 20 === 0) expect((await ask('GET', other.url)).status).toBe(200);
  }
  connection.close();
  const kept = join(nginx.dir, 'postern-decisions');
  const sizes = await Promise.all(
    (await readdir(kept)).map(async (name) => (await stat(join(kept, name))).size),
  );
  expect(sizes.length).toBeGreaterThan(50);
  // The zone has room for so many. Each is at most as large as the buffer.
  expect(sizes.length).toBeLessThan(256);
  expect(Math.max(...sizes)).toBeLessThan(8192);
  expect(await nginx.errorLog()).not.toContain('ps_');
});

test('decision cache: if it fails, the gate is asked without it', async () => {
  // As with a zone that is full of decisions in use: nginx answers 500 before it asks the gate.
  const { issue, ask, asked } = await site({ path: '' });
  const { url } = await issue({ path: '/download/a.txt' });
  for (let i = 0; i < 3; i += 1) expect((await ask('GET', url)).text).toBe('file a');
  expect(asked()).toBe(3);
  expect((await ask('GET', '/download/a.txt')).status).toBe(401);
  expect((await ask('GET', url.replace('a.txt', 'b.txt'))).status).toBe(403);
});

test('decision cache: requests with different traceparents share a decision', async () => {
  const { issue, ask, asked } = await site();
  const { url } = await issue({ path: '/download/a.txt' });
  for (const span of ['1', '2', '3']) {
    const traceparent = `00-${'a'.repeat(32)}-${span.repeat(16)}-01`;
    expect((await ask('GET', url, { traceparent })).status).toBe(200);
  }
  expect(asked()).toBe(1);
});

test.each(modes)('decision cache: without cache.conf nothing is cached by %s', async (mode) => {
  const started = await startSite({ mode, files: FILES, decisionTtl: 60 });
  onTestFinished(started.stop);
  let asked = 0;
  started.gate.server.on('request', () => {
    asked += 1;
  });
  const { url } = await started.issue({ path: '/download/a.txt' });
  for (let i = 0; i < 3; i += 1) expect((await started.ask('GET', url)).status).toBe(200);
  expect(asked).toBe(3);
});

test('decision cache: with X-Accel the gate is asked each time', async () => {
  const { issue, ask, asked } = await site({ mode: 'X-Accel' });
  const { url } = await issue({ path: '/download/a.txt' });
  for (let i = 0; i < 3; i += 1) expect((await ask('GET', url)).status).toBe(200);
  expect(asked()).toBe(3);
  expect(await snippet('gate')).toContain('\nproxy_cache off;\n');
});

test('decision cache: simultaneous requests get their own files', async () => {
  const { issue, ask, nginx } = await site();
  const issued = await Promise.all(
    Array.from({ length: 16 }, (_, i) =>
      issue({ path: `/download/${i % 2 ? 'b' : 'a'}.txt`, filename: `${i}.txt` }),
    ),
  );
  for (let round = 0; round < 4; round += 1) {
    const answers = await Promise.all(issued.map(({ url }) => ask('GET', url)));
    for (const [i, answer] of answers.entries()) {
      expect(answer.text).toBe(i % 2 ? 'file b' : 'file a');
      expect(answer.header('content-disposition')).toMatch(new RegExp(`"?\\b${i}\\.txt`));
    }
  }
  expect(await nginx.errorLog()).not.toMatch(/\[(error|crit|alert)\]/);
});

function snippet(name: string): Promise<string> {
  return readFile(join(projectRoot, 'nginx', 'snippets', `${name}.conf`), 'utf8');
}

test('decision cache: an unusual file name is the same when it is reused', async () => {
  const name = 'we ird?%41#ü 漢.txt';
  const { issue, ask, asked } = await site({ files: { [name]: 'the file' } });
  const { url } = await issue({ path: `/download/${name}`, filename: name, subject: 'ü 漢' });
  for (let i = 0; i < 3; i += 1) expect(seen(await ask('GET', url))).toEqual([200, 'the file']);
  expect(asked()).toBe(1);
});

// The key and the response share a buffer.
test('decision cache: the largest response is cached with the longest key', async () => {
  const path = Array.from({ length: 8 }, () => '漢'.repeat(75)).join('/');
  const { issue, ask, asked } = await site({ files: { [path]: 'the file' } });
  const { url } = await issue({
    path: `/download/${path}`,
    subject: '漢'.repeat(256),
    filename: '漢'.repeat(255),
    limit_rate: 1_000_000_000_000,
  });
  const Cookie = `postern=${'x'.repeat(5_950 - url.length)}`;
  for (let i = 0; i < 2; i += 1) {
    expect(seen(await ask('GET', url, { Cookie }))).toEqual([200, 'the file']);
  }
  expect(asked()).toBe(1);
});
