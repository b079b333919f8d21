import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { MAX_JWT_LENGTH } from '../../service/token/token.ts';
import { cachedSite, seen, snippet } from '../support/nginx/cached-site.ts';
import { type Headers, openRaw, requestBytes } from '../support/raw.ts';
import type { SiteOptions } from '../support/site.ts';

// With a separator that a value may contain, two requests could have the same key.
test('decision cache: a decision is not reused for a request whose joined values look the same', async () => {
  const { issue, ask } = await cachedSite();
  const path = '/download/a.txt';
  const { access_token: secret } = await issue({ path });
  expect((await ask('GET', path, { Authorization: `Bearer ${secret}` })).status).toBe(200);
  for (const headers of [
    { Cookie: `postern="Bearer ${secret}"` },
    { Cookie: `postern=Bearer${secret}` },
    { 'Sec-Purpose': `Bearer ${secret}` },
    { 'Service-Worker': `Bearer ${secret}` },
  ]) {
    expect((await ask('GET', path, headers)).status).toBe(401);
  }
});

test('decision cache: the key has every value that is sent to the gate, except what it only logs', async () => {
  const [, ...bounded] = /map "(.*)" \$postern_decisions/.exec(snippet('cache')) ?? [];
  // With one of the first values, nothing is cached.
  const [alone = '', ...key] = bounded.join().split('\\n');
  const sent = [...snippet('gate').matchAll(/proxy_set_header \S+ "?([^";]*)"?;/g)];
  // An "allow" is cached only while the token is valid now, so it is right for every time a download began.
  const rest = ['', 'postern', '$postern_request_id', '$postern_traceparent', '$postern_began'];
  const values = sent
    .flatMap(([, value = '']) => value.split(/(?=\$)/))
    .filter((one) => !rest.includes(one));
  expect([...key, ...alone.split(/(?=\$)/)].sort()).toEqual(
    [...values, '$postern_uncached'].sort(),
  );
  const whole = /proxy_cache_key "(.*)";/.exec(snippet('auth-request'))?.[1] ?? '';
  expect(whole.split('\\n').sort()).toEqual(values.sort());
});

describe('decision cache: the length of the key', () => {
  const headers = { 'Postern-Target': '/protected/a.txt', 'X-Accel-Expires': '60' };
  const allow: SiteOptions['gate'] = (_, response) => void response.writeHead(204, headers).end();
  const jwt = 'x'.repeat(MAX_JWT_LENGTH);

  test.each<[string, string, Headers]>([
    ['the query', `?token=${jwt}`, {}],
    ['Authorization', '', { Authorization: `Bearer ${jwt}` }],
    ['a cookie', '', { Cookie: `postern=${jwt}` }],
  ])('a JWT of the maximum length in %s is cached', async (_, query, headers) => {
    const { ask, asked } = await cachedSite({ gate: allow });
    for (let i = 0; i < 3; i += 1) {
      expect((await ask('GET', `/download/a.txt${query}`, headers)).text).toBe('file a');
    }
    expect(asked()).toBe(1);
  });

  test('a longer key is not cached', async () => {
    const { ask, asked } = await cachedSite({ gate: allow });
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
  const { issue, ask, nginx } = await cachedSite({ path });
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

// The key and the response share a buffer.
test('decision cache: the largest response is cached with the longest key', async () => {
  const path = `we ird?%41#ü/${Array.from({ length: 8 }, () => '漢'.repeat(75)).join('/')}`;
  const { issue, ask, asked } = await cachedSite({ files: { [path]: 'the file' } });
  const longest = { subject: '漢'.repeat(256), filename: '漢'.repeat(255), limit_rate: 1e12 };
  const { url } = await issue({ path: `/download/${path}`, ...longest });
  const Cookie = `postern=${'x'.repeat(5_950 - url.length)}`;
  for (let i = 0; i < 2; i += 1) {
    expect(seen(await ask('GET', url, { Cookie }))).toEqual([200, 'the file']);
  }
  expect(asked()).toBe(1);
});
