import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { modes, type Site, type SiteMode, siteForTest } from '../support/site.ts';
import { FILE, FILES, HTTP, LOCATIONS } from './own-directives.ts';

// Directives of a site that the snippets inherit, each with its own test. hostile-site.test.ts has many more.

/** A separate site for one test. */
const site = (mode: SiteMode, more: object): Promise<Site> =>
  siteForTest({ mode, files: FILES, http: HTTP, locations: LOCATIONS, ...more });

describe.each(modes)('hostile site: by %s', (mode) => {
  test('no stale response if the service is down', async () => {
    const server = `
      proxy_cache cache; proxy_cache_valid any 1s;
      proxy_cache_use_stale error timeout updating http_500 http_503;
      proxy_cache_background_update on;`;
    const { issue, ask, gate } = await site(mode, { server });
    const { url } = await issue({ path: '/download/a.txt' });
    expect((await ask('GET', url)).status).toBe(200);
    await gate.stop();
    expect((await ask('GET', url)).status).toBe(503);
    expect((await ask('GET', '/download/a.txt')).status).toBe(503);
  });

  test('SSI in an uploaded page is not run', async () => {
    const page = '<!--#include virtual="/protected/b.txt" --><!--#echo var="postern_target" -->';
    const files = { ...FILES, 'page.html': page };
    const { issue, ask } = await site(mode, { server: 'ssi on;', files });
    const answer = await ask('GET', (await issue({ path: '/download/page.html' })).url);
    expect([answer.status, answer.text]).toEqual([200, page]);
  });

  test('SSI in a page of the site cannot include a protected file', async () => {
    const includes = ['/protected/a.txt', '/download/a.txt', '/download/a.txt?token=$arg_token'];
    const page = includes.map((url) => `[<!--#include virtual="${url}" -->]`).join('\n');
    const files = { ...FILES, '../www/page.html': page };
    const { issue, ask } = await site(mode, { server: 'ssi on;', files });
    const { access_token: token } = await issue({ path: '/download/a.txt' });
    for (const target of ['/page.html', `/page.html?token=${token}`]) {
      const answer = await ask('GET', target);
      expect(answer.status).toBe(200);
      expect(answer.text).not.toContain(FILE);
    }
  });

  test('SSI in a delivered page cannot include another protected file', async () => {
    const page = '[<!--#include virtual="/protected/a.txt" -->]';
    const { issue, ask } = await site(mode, {
      files: { ...FILES, 'page.html': page },
      locations: `${LOCATIONS}
        location ^~ /protected/page { internal; alias $files/page; ssi on; try_files $uri =404; }`,
    });
    const answer = await ask('GET', (await issue({ path: '/download/page.html' })).url);
    expect(answer.status).toBe(200);
    expect(answer.text).not.toContain(FILE);
  });

  const GZIP = { 'Accept-Encoding': 'gzip' };
  const PART = { ...GZIP, Range: 'bytes=0-4' };
  test.each<[string, string, Record<string, string>, number, RegExp]>([
    ['ranges work', 'gzip on; gzip_types *; gzip_min_length 1;', PART, 206, /^hello$/],
    ['a sibling .gz is not served instead', 'gzip_static on;', GZIP, 200, /^hello, this is/],
    ['a deny of the site stays in force', 'satisfy any; deny all;', {}, 403, /problem|403/],
  ])('%s with %s', async (_, server, headers, status, text) => {
    const files = { ...FILES, 'a.txt.gz': 'the sibling' };
    const { issue, ask } = await site(mode, { files, server });
    const { url } = await issue({ path: '/download/a.txt' });
    const answer = await ask('GET', url, headers);
    expect([answer.status, answer.text]).toEqual([status, expect.stringMatching(text)]);
  });

  test('a folder is not listed, with or without its slash', async () => {
    const files = { ...FILES, 'sub/index.html': 'index', 'sub/c.txt': 'c' };
    const { issue, ask } = await site(mode, { files, server: 'autoindex on; index index.html;' });
    const { url } = await issue({ prefix: '/download/' });
    for (const folder of ['', 'sub', 'sub/']) {
      const answer = await ask('GET', url + folder);
      expect([403, 404, 400]).toContain(answer.status);
      expect(answer.header('Location')).toBeUndefined();
      expect(answer.text).not.toMatch(/c\.txt|index\.html|protected/);
    }
  });

  test('HSTS stays if it is repeated', async () => {
    const hsts = 'add_header Strict-Transport-Security max-age=9 always;';
    const internal = `include postern/internal.conf; ${hsts} alias $files/;`;
    const { issue, ask } = await site(mode, { server: hsts, internal });
    const { url } = await issue({ path: '/download/a.txt' });
    for (const target of [url, '/download/a.txt', '/download/../../x']) {
      const answer = await ask('GET', target);
      if (answer.status === 400) continue;
      expect(answer.header('Strict-Transport-Security'), target).toBe('max-age=9');
    }
  });

  test('the password of the site is not required for a token, but for other locations', async () => {
    const server = 'auth_basic site; auth_basic_user_file $files/../htpasswd;';
    const { issue, ask } = await site(mode, { server });
    const { url } = await issue({ path: '/download/a.txt' });
    expect((await ask('GET', url)).status).toBe(200);
    const front = await ask('GET', '/index.html');
    expect([front.status, front.header('WWW-Authenticate')]).toEqual([401, 'Basic realm="site"']);
    // With the password, the token in the query is valid. The password without a token opens nothing.
    const Authorization = `Basic ${Buffer.from('user:password').toString('base64')}`;
    expect((await ask('GET', url, { Authorization })).status).toBe(200);
    expect((await ask('GET', '/download/a.txt', { Authorization })).status).toBe(401);
  });

  test('no response is cached or stored', async () => {
    const server = `
      proxy_cache cache; proxy_cache_valid any 10m; root $files/../www;
      proxy_ignore_headers Cache-Control X-Accel-Expires;`;
    const started = await site(mode, { server });
    const { url } = await started.issue({ path: '/download/a.txt' });
    await started.ask('GET', url);
    await started.ask('GET', '/download/a.txt');
    expect(await readdir(join(started.files, '..', 'cache'))).toEqual([]);
    const pages = await readdir(join(started.files, '..', 'www'));
    expect(pages.sort()).toEqual(['50x.html', 'index.html']);
  });

  test('filters of the body change no decision', async () => {
    const server = `
      sub_filter file FILE; sub_filter_types *; sub_filter_once off;
      add_before_body /index.html; addition_types *;`;
    const { issue, ask } = await site(mode, { server });
    const { url } = await issue({ path: '/download/a.txt' });
    expect((await ask('GET', '/download/a.txt')).status).toBe(401);
    expect((await ask('GET', url.replace('a.txt', 'b.txt'))).status).toBe(403);
    // They do change the delivered bytes: only another filter can undo an inherited one.
    expect((await ask('GET', url)).text).toContain('this is FILE a');
  });

  test('expires max does not make a delivery public', async () => {
    const { issue, ask } = await site(mode, { server: 'expires max;' });
    const answer = await ask('GET', (await issue({ path: '/download/a.txt' })).url);
    const said = answer.headers.filter(([name]) => /^(cache-control|expires)$/.test(name));
    // By X-Accel, the gate has sent Expires.
    expect(Object.fromEntries(said)).toEqual({
      'cache-control': 'private, no-store',
      ...(mode === 'X-Accel' && { expires: '0' }),
    });
    expect(said).toHaveLength(mode === 'X-Accel' ? 2 : 1);

    const { url } = await issue({ path: '/download/a.txt', confirm: true });
    const confirmed = await ask('POST', url);
    expect([confirmed.status, confirmed.header('cache-control')]).toEqual([303, 'no-store']);
  });
});

test.each([
  ['by its own name', 'root $files/../dump.sql;'],
  ['by the name of a host', 'root $files/../$host;'],
  ['by an argument', 'root $arg_root;'],
])(
  'hostile site: a root that is a file, %s, is not served instead of the decided file',
  async (_, server) => {
    const files = { 'a.txt': 'file a', '../dump.sql': 'all passwords' };
    const site = await siteForTest({ mode: 'auth_request', files, server });
    const { url } = await site.issue({ path: '/download/a.txt' });
    const target = `${url}&root=${site.files}/../dump.sql`;
    expect((await site.ask('GET', target, { Host: 'dump.sql' })).text).toBe('file a');
  },
);
