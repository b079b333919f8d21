import type { ServerResponse } from 'node:http';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { forTest } from '../support/for-test.ts';
import { apiKey, KEY, mount } from '../support/postern.ts';
import { openRaw, requestBytes } from '../support/raw.ts';
import { gateSnippet, modes, siteForTest, useSite } from '../support/site.ts';
import { type Storage, startStorage } from '../support/storage.ts';

const notSatisfiable = (status: number) =>
  `{"type":"about:blank","status":${status},"code":"not_satisfiable"}`;
const CONTENT = Array.from({ length: 2000 }, (_, i) => `line ${i}\n`).join('');
// After a request without a length, this would be a second request.
const BODY = 'GET /bucket/a.txt HTTP/1.1\r\nHost: storage\r\n\r\n';
const NAMES = ['a.txt', 'we ird?%41#ü &=;.txt', 'sub/b.txt'];

describe.each(modes)('object store: files by %s', (mode) => {
  let storage: Storage;
  const site = useSite(async () => {
    const objects = Object.fromEntries(NAMES.map((name) => [`/bucket/${name}`, CONTENT + name]));
    storage = await startStorage(objects);
    return {
      mode,
      files: { 'other.txt': 'another file' },
      mounts: [
        mount('/download/', '/s3/', { passArguments: ['start'] }),
        mount('/files/', '/protected/'),
      ],
      apiKeys: [apiKey(KEY, { targets: ['/s3/bucket/'] })],
      // Directives of a site that could change the requests to a storage.
      http: `proxy_cache_path $files/../cache keys_zone=cache:1m;`,
      server: `
        proxy_cache cache; proxy_cache_valid any 10m; proxy_cache_key one; proxy_force_ranges on;
        proxy_cache_use_stale error timeout http_500 http_503; proxy_next_upstream http_403 http_404;
        proxy_set_header X-Site site; proxy_set_header Authorization $http_authorization;
        proxy_set_header Range ""; proxy_hide_header ETag; proxy_method POST; ssi on; gzip on; gzip_types *;
        proxy_redirect / /elsewhere/; error_page 403 404 =200 /index.html;
        add_header X-Site site always;`,
      locations: `
        location ^~ /files/ { ${gateSnippet(mode)} }
        location ^~ /s3/ {
          include postern/internal-proxy.conf;
          proxy_pass http://127.0.0.1:${storage.port}/;
        }
        location ^~ /old/ { rewrite ^/old/(.*)$ /s3/bucket/$1?X-Amz-Signature=1 last; }`,
    };
  });
  beforeEach(() => {
    storage.answer = undefined;
    storage.requests.length = 0;
  });
  afterAll(() => storage.stop());

  const issue = (name = 'a.txt', more: object = {}) =>
    site.issue({
      path: '/download/a.txt',
      target: `/s3/bucket/${name}`,
      target_args: storage.presign(`/bucket/${name}`),
      ...more,
    });

  test.each(NAMES)('%s is served with a presigned query', async (name) => {
    const { url } = await issue(name);
    const answer = await site.ask('GET', url);
    expect([answer.status, answer.text]).toEqual([200, CONTENT + name]);
    expect(answer.header('content-length')).toBe(String(Buffer.byteLength(CONTENT + name)));
  });

  test('only ranges and conditions of the request are sent to the object store', async () => {
    const { access_token: token, url } = await issue();
    const headers = {
      Authorization: 'Basic c2VjcmV0OnNlY3JldA==',
      Cookie: `session=secret; postern=${token}`,
      'X-Forwarded-For': '192.0.2.1',
      'X-Amz-Date': '20260101T000000Z',
      'Accept-Encoding': 'gzip',
      'Content-Length': String(BODY.length),
    };
    const answer = await site.ask('GET', url, headers, BODY);
    expect([answer.status, answer.text]).toEqual([200, `${CONTENT}a.txt`]);
    expect(storage.requests).toHaveLength(1);
    const [request] = storage.requests;
    expect(request?.method).toBe('GET');
    expect(Object.keys(request?.headers ?? {})).toEqual(['host']);
    expect(request?.url).not.toContain(token);
  });

  test.each([
    ['a range', { Range: 'bytes=5-9' }, 206, CONTENT.slice(5, 10)],
    ['an open range', { Range: 'bytes=100-' }, 206, `${CONTENT}a.txt`.slice(100)],
    ['If-Range, the same', { Range: 'bytes=5-9', 'If-Range': '"one"' }, 206, CONTENT.slice(5, 10)],
    ['If-Range, another', { Range: 'bytes=5-9', 'If-Range': '"two"' }, 200, `${CONTENT}a.txt`],
    ['If-None-Match', { 'If-None-Match': '"one"' }, 304, ''],
    ['If-Modified-Since', { 'If-Modified-Since': 'Mon, 02 Jan 2006 15:04:05 GMT' }, 304, ''],
    ['If-Match, another', { 'If-Match': '"two"' }, 412, notSatisfiable(412)],
    ['a range beyond the end', { Range: 'bytes=999999-' }, 416, notSatisfiable(416)],
  ])('%s', async (_, headers, status, text) => {
    const answer = await site.ask('GET', (await issue()).url, headers);
    expect([answer.status, answer.text]).toEqual([status, text]);
  });

  test('HEAD works with a query that was presigned for GET', async () => {
    const { url } = await issue();
    const connection = await openRaw(site.nginx.port);
    const answer = await connection.send(requestBytes('HEAD', url), 'HEAD');
    expect([answer.status, answer.text]).toEqual([200, '']);
    expect(answer.header('content-length')).toBe(String(`${CONTENT}a.txt`.length));
    // The connection stays usable.
    expect((await connection.send(requestBytes('GET', url))).text).toBe(`${CONTENT}a.txt`);
    connection.close();
  });

  test('each header is sent once, and none of the object store that could harm a client or names an account', async () => {
    const more = { filename: 'report.txt', subject: 'ada', max_uses: 1 };
    const { url, id } = await issue('a.txt', more);
    const answer = await site.ask('GET', url);
    const names = answer.headers.map(([name]) => name);
    expect(names).toEqual([...new Set(names)]);
    const suspicious = /^(x-amz|x-accel|access-control|postern|x-site)/;
    const known = ['x-amz-id-2', 'x-amz-request-id', 'x-amz-server-side-encryption'];
    expect(names.filter((name) => suspicious.test(name))).toEqual(known);
    expect(answer.header('cache-control')).toBe('private, no-store');
    // By X-Accel, the gate has sent it.
    expect(answer.header('expires')).toBe(mode === 'X-Accel' ? '0' : undefined);
    expect(answer.header('content-disposition')).toMatch(/^attachment; filename="?report\.txt/);
    expect(answer.header('content-security-policy')).toBe('sandbox');
    expect(answer.header('set-cookie')).toMatch(/^postern_resume=/);
    expect(answer.header('etag')).toBe('"one"');
    expect(answer.header('content-type')).toBe('text/plain');
    expect(JSON.stringify(answer.headers)).not.toMatch(/storage|S3/i);
    const line = { status: 200, token_id: id, subject: 'ada', code: 'allow' };
    expect(await site.line(id)).toMatchObject(line);
  });

  test.each(['*/*', 'text/html'])('an error of the store as %s loses no use', async (Accept) => {
    storage.answer = (_, response: ServerResponse) => response.writeHead(500).end();
    const { url } = await issue('a.txt', { max_uses: 1, bind: 'cookie', filename: 'report.txt' });
    const failed = await site.ask('GET', url, { Accept });
    expect([failed.status, failed.header('retry-after')]).toEqual([503, '5']);
    expect(failed.header('content-disposition')).toBeUndefined();
    const cookies = failed.headers.filter(([name]) => name === 'set-cookie');
    expect(cookies).toEqual([['set-cookie', expect.stringMatching(/^postern_resume=/)]]);
    storage.answer = undefined;
    expect((await site.ask('GET', url)).status).toBe(401);
    const Cookie = cookies[0]?.[1].split(';')[0] ?? '';
    expect((await site.ask('GET', url, { Cookie })).status).toBe(200);
  });

  test('a 408 of the object store reaches the client, with the cookie', async () => {
    storage.answer = (_, response: ServerResponse) => response.writeHead(408).end();
    const { url } = await issue('a.txt', { max_uses: 1, bind: 'cookie' });
    const answer = await site.ask('GET', url);
    expect(answer.status).toBe(408);
    expect(answer.header('set-cookie')).toMatch(/^postern_resume=/);
  });

  test.each([
    [200, 'allow'],
    [404, 'allow'],
    [503, 'unavailable'],
  ])('headers of the object store change nothing in the log: %i is %s', async (status, code) => {
    storage.answer = (_, response: ServerResponse) => {
      const forged = { 'Postern-Token-Id': 'x', 'Postern-Subject': 'eve', 'Postern-Reason': 'no' };
      response.writeHead(status, forged).end();
    };
    const { url, id } = await issue();
    expect((await site.ask('GET', url)).status).toBe(status);
    expect(await site.line(id)).toMatchObject({ token_id: id, subject: '', code });
  });

  /** Load balancers of AWS and Cloudflare have statuses such as 460 and 520. */
  const becomes = (status: number) => {
    if ([304, 412, 413, 416].includes(status)) return status;
    // limit_conn has this status in internal-proxy.conf, so that no status of the site changes the 429.
    if (status === 599) return 429;
    // With 429 the object store asks for fewer requests: the client may try again later.
    return status < 400 || status === 429 || status >= 500 ? 503 : 404;
  };

  test('no error status of the object store but 408 and 499 shows its text or its query', async () => {
    const { url } = await issue();
    const shown: number[] = [];
    for (let status = 300; status < 600; status += 1) {
      storage.answer = (_, response: ServerResponse) => {
        const Location = 'http://storage.example/?X-Amz-Signature=secret';
        const headers = { Location, 'X-Accel-Redirect': '/protected/other.txt' };
        response.writeHead(status, { 'Content-Type': 'application/xml', ...headers }).end('secret');
      };
      const answer = await site.ask('GET', url).catch((error: Error) => {
        // nginx closes the connection.
        expect([error.message, status]).toEqual(['the connection ended after: ', 444]);
      });
      if (!answer) continue;
      const all = answer.text + JSON.stringify(answer.headers);
      if (all.includes('secret')) shown.push(status);
      else {
        const retry = becomes(status) === 503 ? '5' : undefined;
        const seen = [status, answer.status, answer.header('retry-after')];
        expect(seen).toEqual([status, becomes(status), retry]);
        if (status !== 304) expect(all).not.toMatch(/application\/xml|storage|another file/);
      }
    }
    expect(shown).toEqual([408, 499]);
  });

  test('a response that is cut off ends the download, and no other server is tried', async () => {
    storage.answer = (_, response: ServerResponse) => {
      response.writeHead(200, { 'Content-Length': 100_000 });
      response.write('a part', () => response.destroy());
    };
    await expect(site.ask('GET', (await issue()).url)).rejects.toThrow(/the connection ended/);
    expect(storage.requests).toHaveLength(1);
  });

  test('arguments of the mount are passed on if the token has no target_args', async () => {
    const { url } = await site.issue({ path: '/download/bucket/a.txt' });
    await site.ask('GET', `${url}&start=5&other=6`);
    expect(storage.requests.map((request) => request.url)).toEqual(['/bucket/a.txt?start=5']);
    await site.ask('GET', `${(await issue()).url}&start=5`);
    expect(storage.requests.at(-1)?.url).not.toContain('start');
  });

  test('a client cannot request the internal location directly', async () => {
    const query = storage.presign('/bucket/a.txt');
    const { access_token: token } = await site.issue({ path: '/download/bucket/a.txt' });
    for (const target of [
      `/s3/bucket/a.txt?${query}`,
      `//s3/bucket/a.txt?${query}`,
      `/%733/bucket/a.txt?${query}`,
      `/old/a.txt?${query}`,
      `/old/a.txt?token=${token}`,
      `/download/a.txt?${query}`,
      `/download/../s3/bucket/a.txt?${query}`,
    ]) {
      const answer = await site.ask('GET', target, { Authorization: 'Bearer x' });
      expect(answer.text, target).not.toContain('line 1');
    }
    expect(storage.requests).toEqual([]);
  });
});

// For example, POSTERN_MOUNTS replaces the mounts of the file, with their storage.
test.each(modes)('object store: by %s, nginx asks for nothing that is not signed', async (mode) => {
  const storage = await forTest(startStorage({}));
  const site = await siteForTest({
    mode,
    internal: `
      include postern/internal-proxy.conf;
      proxy_pass http://127.0.0.1:${storage.port}/bucket/$postern_object?$args;`,
  });
  const { url } = await site.issue({ path: '/download/a.txt' });
  expect((await site.ask('GET', url)).status).toBe(404);
  expect(storage.requests.map((request) => request.url)).toEqual(['/bucket/.postern-unsigned?']);
});
