import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { gateSnippet, modes, type Site, type SiteMode, startSite } from '../support/site.ts';

// Directives of a site that the snippets inherit. With each of them a request without a token is
// denied with the right status, and a valid token gets the file.

const FILE = 'hello, this is file a\n';
const NAMES = ['a.txt', 'a.jpg', 'a.mp4', 'a.php', 'a.html', 'a'];
const FILES = {
  ...Object.fromEntries(NAMES.map((name) => [name, FILE])),
  'b.txt': 'file b',
  '../www/index.html': 'the front page',
  '../www/50x.html': 'the page for errors',
  '../htpasswd': 'user:{PLAIN}password\n',
};
const HTTP = `
  proxy_cache_path $files/../cache keys_zone=cache:1m;
  limit_req_zone $binary_remote_addr zone=requests:1m rate=1000r/s;
  limit_conn_zone $binary_remote_addr zone=connections:1m;
`;
const LOCATIONS = `
  location / { root $files/../www; }
  location = /login { return 204; }
  location = /logout { return 401; }
  location = /mirror { return 200; }
`;

/** For the http block and the server block. */
const ANYWHERE: Readonly<Record<string, string>> = {
  'a cache': 'proxy_cache cache; proxy_cache_valid any 10m;',
  'a cache that ignores Cache-Control': `
    proxy_cache cache; proxy_cache_valid any 10m; proxy_cache_methods GET HEAD POST;
    proxy_ignore_headers X-Accel-Expires Expires Cache-Control Set-Cookie Vary;`,
  'a cache for one key': 'proxy_cache cache; proxy_cache_valid any 10m; proxy_cache_key one;',
  'a store': 'proxy_store $files/../www/stored; proxy_store_access all:rw;',
  'intercepted errors': `
    proxy_intercept_errors on; error_page 401 403 =200 /index.html;
    error_page 404 = /index.html; error_page 500 502 503 504 /50x.html;`,
  'a page for each error': 'error_page 400 401 403 404 405 416 500 502 503 504 =200 /index.html;',
  'recursive error pages': `
    recursive_error_pages on; proxy_intercept_errors on;
    error_page 400 401 403 404 500 502 503 504 =200 /index.html;`,
  'an error page that is the file': `
    recursive_error_pages on; error_page 401 403 404 500 503 =200 /protected/a.txt;`,
  ssi: 'ssi on; ssi_types *;',
  gzip: 'gzip on; gzip_types *; gzip_min_length 1; gzip_proxied any;',
  gzip_static: 'gzip_static always;',
  gunzip: 'gunzip on;',
  autoindex: 'autoindex on;',
  index: 'index a.txt;',
  'satisfy any': 'satisfy any; allow all;',
  'satisfy any, and a password': `
    satisfy any; allow all; auth_basic site; auth_basic_user_file $files/../htpasswd;`,
  auth_basic: 'auth_basic site; auth_basic_user_file $files/../htpasswd;',
  'an auth_request that passes': 'auth_request /login;',
  'an auth_request that does not': 'auth_request /logout;',
  auth_request_set: 'auth_request_set $postern_target /protected/a.txt;',
  'X-Accel-Redirect ignored': 'proxy_ignore_headers X-Accel-Redirect X-Accel-Limit-Rate;',
  'request headers': `
    proxy_set_header X-Original-URI /download/a.txt; proxy_set_header X-Original-Method GET;
    proxy_set_header Postern-Cookie x; proxy_pass_request_headers on;`,
  'hidden headers': `
    proxy_hide_header Postern-Target; proxy_hide_header Content-Type;
    proxy_hide_header X-Accel-Redirect; proxy_hide_header WWW-Authenticate;`,
  'passed headers': `
    proxy_pass_header X-Accel-Redirect; proxy_pass_header Postern-Token-Id;`,
  'a method': 'proxy_method POST; proxy_pass_request_body on;',
  'another request body': 'proxy_set_body GET;',
  'HTTP/1.0': 'proxy_http_version 1.0;',
  'no buffering': 'proxy_buffering off; proxy_request_buffering off;',
  'small buffers': 'proxy_buffer_size 1k; proxy_buffers 2 1k; proxy_busy_buffers_size 1k;',
  'another upstream next': `
    proxy_next_upstream http_403 http_404 http_500 non_idempotent; proxy_next_upstream_tries 0;`,
  'redirects and cookies': `
    proxy_redirect / /elsewhere/; proxy_cookie_path / /elsewhere/; proxy_force_ranges on;`,
  'public caching': 'expires max; add_header Cache-Control "public, max-age=9999" always;',
  add_header: 'add_header Strict-Transport-Security max-age=9 always;',
  'a root over the files': 'root $files/..;',
  'a root at the files': 'root $files;',
  'slashes not merged': 'merge_slashes off;',
  underscores: 'underscores_in_headers on; ignore_invalid_headers off;',
  'a rate': 'limit_rate 100k; limit_rate_after 1k;',
  limits: 'limit_req zone=requests burst=1000 nodelay; limit_conn connections 100;',
  mirror: 'mirror /mirror; mirror_request_body on;',
  types: 'types { } default_type text/html; charset utf-8;',
  'subrequests in the log': 'log_subrequest on;',
  'open files cached': 'open_file_cache max=100; open_file_cache_errors on;',
  'no keepalive': 'keepalive_timeout 0;',
  'direct input': 'sendfile off; directio 512; output_buffers 1 4k;',
  'neither ETag nor dates': 'etag off; if_modified_since off; chunked_transfer_encoding off;',
  slice: 'slice 5;',
  'writing methods': 'dav_methods PUT DELETE MKCOL COPY MOVE; create_full_put_path on;',
};

/** Only for the server block. */
const SERVER: Readonly<Record<string, string>> = {
  try_files: 'root $files/../www; try_files $uri /index.html;',
  'try_files into the folder': 'root $files/..; try_files /protected$uri $uri /index.html;',
  'a rewrite': 'rewrite ^/old/(.*)$ /download/$1;',
  'a rewrite of all other paths': 'rewrite ^/static(/.*)$ $1 last;',
  'a regex location': 'location ~* \\.(jpg|txt|mp4|html)$ { root $files; }',
  'a regex location for PHP': 'location ~ \\.php$ { root $files/..; return 200 "run"; }',
  'a regex location for all': 'location ~ ^/(download|protected)/(.*) { alias $files/$2; }',
  'a greedy root location': 'location ~ / { root $files/../www; }',
};

/** Each block with the directives that are valid in it. */
const SITES = [
  ...Object.entries(ANYWHERE).map(([name, text]) => ['http', name, text] as const),
  ...Object.entries({ ...ANYWHERE, ...SERVER }).map(
    ([name, text]) => ['server', name, text] as const,
  ),
];

describe.each(modes)(
  'hostile site: directives of the site do not change a decision by %s',
  (mode) => {
    test.concurrent.each(SITES)('in the %s block: %s', async (block, _, text) => {
      const http = block === 'http' ? HTTP + text : HTTP;
      const server = block === 'server' ? text : '';
      const hasRoot = text.includes('location ~ /');
      const locations = hasRoot ? LOCATIONS.replace('location / ', 'location /x/ ') : LOCATIONS;
      const site = await startSite({ mode, files: FILES, http, server, locations });
      try {
        for (const name of NAMES) await holds(site, name);
      } finally {
        await site.stop();
      }
    });
  },
);

async function holds(site: Site, name: string): Promise<void> {
  const { url, id, access_token: token } = await site.issue({ path: `/download/${name}` });
  const other = await site.issue({ path: '/download/b.txt' });
  const bare = `/download/${name}`;

  async function denied(target: string, status: number, method = 'GET'): Promise<void> {
    const answer = await site.ask(method, target, { 'Content-Length': '0' });
    expect([answer.status, answer.text.includes(FILE)], `${method} ${target}`).toEqual([
      status,
      false,
    ]);
    if (status !== 404)
      expect(answer.header('Content-Type')).toMatch(/^application\/problem\+json/);
    if (status === 401) expect(answer.header('WWW-Authenticate')).toMatch(/^Bearer/);
  }

  async function opened(): Promise<void> {
    const answer = await site.ask('GET', url, { 'Accept-Encoding': 'gzip' });
    expect([answer.status, answer.text], url).toEqual([200, FILE]);
    expect(answer.header('Content-Encoding')).toBeUndefined();
  }

  await denied(bare, 401);
  await opened();
  await denied(bare, 401);
  await denied(`${bare}?token=${other.access_token}`, 403);
  await denied(`/protected/${name}?token=${token}`, 404);
  if (name !== NAMES[0]) return;
  await denied(url, 403, 'PUT');
  await denied(url, 403, 'DELETE');
  await denied(`/protected/${name}`, 404);
  await denied('/download/none.txt', 401);
  await opened();
  await site.postern.store.revoke(id, 'test');
  await denied(url, 401);

  const { url: link } = await site.issue({ path: bare, confirm: true });
  await denied(link, 401);
  const confirmed = await site.ask('POST', link, { 'Content-Length': '0' });
  expect([confirmed.status, confirmed.header('Location')]).toEqual([303, link]);
  expect((await site.ask('GET', link)).text).toBe(FILE);

  // A rewrite or a try_files of the site could bypass the gate.
  for (const start of ['/old', '/static/protected', '/static/download', '//download', '/x']) {
    const answer = await site.ask('GET', `${start}/${name}`);
    expect(answer.text, start).not.toContain(FILE);
  }
}

/** A separate site for one test. */
async function site(mode: SiteMode, more: object): Promise<Site> {
  const started = await startSite({
    mode,
    files: FILES,
    http: HTTP,
    locations: LOCATIONS,
    ...more,
  });
  onTestFinished(started.stop);
  return started;
}

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
    const { issue, ask } = await site(mode, {
      server: 'ssi on;',
      files: { ...FILES, 'page.html': page },
    });
    const answer = await ask('GET', (await issue({ path: '/download/page.html' })).url);
    expect([answer.status, answer.text]).toEqual([200, page]);
  });

  test('SSI in a page of the site cannot include a protected file', async () => {
    const includes = ['/protected/a.txt', '/download/a.txt', '/download/a.txt?token=$arg_token'];
    const page = includes.map((url) => `[<!--#include virtual="${url}" -->]`).join('\n');
    const { issue, ask } = await site(mode, {
      server: 'ssi on;',
      files: { ...FILES, '../www/page.html': page },
    });
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
      only: `
        location ^~ /download/ { ${gateSnippet(mode)} }
        location ^~ /protected/page { internal; alias $files/page; ssi on; try_files $uri =404; }
        location ^~ /protected/ { include postern/internal.conf; alias $files/; }`,
    });
    const answer = await ask('GET', (await issue({ path: '/download/page.html' })).url);
    expect(answer.status).toBe(200);
    expect(answer.text).not.toContain(FILE);
  });

  test('ranges work with gzip on', async () => {
    const { issue, ask } = await site(mode, {
      server: 'gzip on; gzip_types *; gzip_min_length 1;',
    });
    const { url } = await issue({ path: '/download/a.txt' });
    const answer = await ask('GET', url, { 'Accept-Encoding': 'gzip', Range: 'bytes=0-4' });
    expect([answer.status, answer.text]).toEqual([206, 'hello']);
  });

  test('a sibling .gz is not served instead', async () => {
    const files = { ...FILES, 'a.txt.gz': 'the sibling' };
    const { issue, ask } = await site(mode, { files, server: 'gzip_static on;' });
    const { url } = await issue({ path: '/download/a.txt' });
    expect((await ask('GET', url, { 'Accept-Encoding': 'gzip' })).text).toBe(FILE);
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
    const { issue, ask } = await site(mode, {
      server: hsts,
      only: `
        location ^~ /download/ { ${gateSnippet(mode)} }
        location ^~ /protected/ { include postern/internal.conf; ${hsts} alias $files/; }`,
    });
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

  test('a deny of the site stays in force', async () => {
    const { issue, ask } = await site(mode, { server: 'satisfy any; deny all;' });
    const { url } = await issue({ path: '/download/a.txt' });
    expect((await ask('GET', url)).status).toBe(403);
  });

  test('no response is cached or stored', async () => {
    const server = `
      proxy_cache cache; proxy_cache_valid any 10m; proxy_store on; root $files/../www;
      proxy_ignore_headers Cache-Control X-Accel-Expires;`;
    const started = await site(mode, { server: server.replace('proxy_store on;', '') });
    const { url } = await started.issue({ path: '/download/a.txt' });
    await started.ask('GET', url);
    await started.ask('GET', '/download/a.txt');
    expect(await readdir(join(started.files, '..', 'cache'))).toEqual([]);
    expect((await readdir(join(started.files, '..', 'www'))).sort()).toEqual([
      '50x.html',
      'index.html',
    ]);
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
    expect(said).toEqual([['cache-control', 'private, no-store']]);

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
    const site = await startSite({ mode: 'auth_request', files, server });
    onTestFinished(site.stop);
    const { url } = await site.issue({ path: '/download/a.txt' });
    const target = `${url}&root=${site.files}/../dump.sql`;
    expect((await site.ask('GET', target, { Host: 'dump.sql' })).text).toBe('file a');
  },
);
