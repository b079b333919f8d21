import { describe, expect, test } from 'vitest';
import { modes, type Site, startSite } from '../support/site.ts';
import { FILE, FILES, HTTP, LOCATIONS, NAMES } from './own-directives.ts';

// Directives of a site that the snippets inherit. With each of them a request without a token is
// denied with the right status, and a valid token gets the file.

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
  expect([confirmed.status, confirmed.header('Location')]).toEqual([
    303,
    `${link}&postern_confirmed=1`,
  ]);
  expect((await site.ask('GET', link)).text).toBe(FILE);

  // A rewrite or a try_files of the site could bypass the gate.
  for (const start of ['/old', '/static/protected', '/static/download', '//download', '/x']) {
    const answer = await site.ask('GET', `${start}/${name}`);
    expect(answer.text, start).not.toContain(FILE);
  }
}
