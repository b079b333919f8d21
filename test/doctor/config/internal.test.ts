import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { projectRoot } from '../../harness/paths.ts';
import { mount } from '../../support/postern.ts';
import { answer, check, FILE, type Trap } from './trap.ts';

// Traps at the internal location and its files: each one is shown on nginx, found, and fixed.

const GATE = 'location ^~ /download/ { include postern/protect.conf; }';
const INTERNAL = 'include postern/internal.conf;';
const CACHE = 'add_header Cache-Control "private, no-store" always;';
const inside = (inner: string) => `${GATE}\nlocation ^~ /protected/ {\n${inner}\n}`;
const PAGE = '[<!--#include virtual="/protected/a.txt" -->]';

const opens = (target: string): Trap['proof'] => {
  return async (site) => expect(await answer(site, target)).toEqual([200, FILE]);
};
const isNotThere = (target: string): Trap['proof'] => {
  return async (site) => expect((await answer(site, target))[0]).toBe(404);
};
const delivers: Trap['proof'] = async (site) => {
  const { url } = await site.issue({ path: '/download/a.txt' });
  expect(await answer(site, url)).toEqual([200, FILE]);
};

const VIP = { '../vip/secret.txt': 'for /vip/ only' };
const vip = (internal: string) => ({
  mounts: [mount('/download/', '/protected/'), mount('/vip/', internal)],
  files: VIP,
  locations: `
    location ^~ /vip/ { include postern/protect.conf; }
    location ^~ ${internal} {\n${INTERNAL} alias $files/../vip/;\n}`,
});
const opensVip = (expected: readonly [number, string]): Trap['proof'] => {
  return async (site) => {
    const { url } = await site.issue({ path: '/download/vip/secret.txt' });
    const [status, text] = await answer(site, url);
    expect([status, status === 200 ? text : '']).toEqual(expected);
  };
};

const TRAPS: Readonly<Record<string, Trap>> = {
  'an internal location below the internal location of another public prefix': {
    found: [['nested-internal', 'location ^~ /protected/vip/']],
    broken: vip('/protected/vip/'),
    proof: opensVip([200, 'for /vip/ only']),
    fixed: vip('/vip-files/'),
    shut: opensVip([404, '']),
  },
  'files under a root of the site': {
    found: [['second-url', 'root $files/..;']],
    broken: { server: 'root $files/..;' },
    proof: opens('/files/a.txt'),
    fixed: { server: 'root $files/../www;' },
    shut: isNotThere('/files/a.txt'),
  },
  'files under a root, with a location that returns 404 for them': {
    found: [['second-url', 'root $files/..;']],
    broken: { server: 'root $files/..;', locations: 'location /file { }' },
    proof: opens('/files/a.txt'),
    fixed: { server: 'root $files/..;', locations: 'location ^~ /files/ { return 404; }' },
    shut: isNotThere('/files/a.txt'),
  },
  'files that another location also serves': {
    found: [['second-url', 'alias $files/sub/;']],
    broken: { locations: 'location /open/ {\nalias $files/sub/;\n}' },
    proof: async (site) => expect(await answer(site, '/open/c.txt')).toEqual([200, 'file c']),
    fixed: { locations: 'location /open/ { deny all; alias $files/sub/; }' },
    shut: async (site) => expect((await answer(site, '/open/c.txt'))[0]).toBe(403),
  },
  'a regex location with a root over the files': {
    found: [['second-url', 'root $files/..;']],
    broken: { locations: 'location ~ \\.txt$ {\nroot $files/..;\n}' },
    proof: opens('/files/a.txt'),
    fixed: {
      locations: 'location ~ \\.txt$ { root $files/..; }\nlocation ^~ /files/ { return 404; }',
    },
    shut: isNotThere('/files/a.txt'),
  },
  'a longer location below the files': {
    found: [['second-url', 'root $files/..;']],
    broken: {
      server: 'root $files/..;',
      locations: 'location /files/sub/ { } location ^~ /files/ { return 404; }',
    },
    proof: async (site) => expect(await answer(site, '/files/sub/c.txt')).toEqual([200, 'file c']),
    fixed: {
      server: 'root $files/..;',
      // An exact location of a folder serves no file.
      locations: 'location = /files/sub/ { } location ^~ /files/ { return 404; }',
    },
    shut: isNotThere('/files/sub/c.txt'),
  },
  'an exact location beside the location that serves the files': {
    found: [['second-url', 'root $files;']],
    broken: { server: 'root $files;', locations: 'location = / { return 404; }' },
    proof: opens('/a.txt'),
    fixed: { server: 'root $files;', locations: 'location / { return 404; }' },
    shut: isNotThere('/a.txt'),
  },
  'a regex location inside a location with ^~': {
    found: [['second-url', 'root $files/..;']],
    broken: {
      locations: `location ^~ /files/ { return 404; location ~ \\.txt$ {\nroot $files/..;\n} }`,
    },
    proof: opens('/files/a.txt'),
    fixed: {
      locations: `location ^~ /files/ { return 404;
        location ^~ /files/ { return 404; } location ~ \\.txt$ { root $files/..; } }`,
    },
    shut: isNotThere('/files/a.txt'),
  },
  'a regex location that a longer location without ^~ leads to': {
    found: [['second-url', 'root $files/..;']],
    broken: {
      locations: `location ^~ /files/ { return 404; } location /files/sub/ { return 404; }
        location ~ \\.txt$ {\nroot $files/..;\n}`,
    },
    proof: async (site) => expect(await answer(site, '/files/sub/c.txt')).toEqual([200, 'file c']),
    fixed: {
      locations: `location ^~ /files/ { return 404; } location ^~ /files/sub/ { return 404; }
        location ~ \\.txt$ { root $files/..; }`,
    },
    shut: isNotThere('/files/sub/c.txt'),
  },
  'files under a root that denies one address': {
    found: [['second-url', 'root $files/..;']],
    broken: { server: 'deny 192.0.2.1;', locations: 'location / {\nroot $files/..;\n}' },
    proof: opens('/files/a.txt'),
    fixed: { server: 'deny all;', locations: 'location / { root $files/..; }' },
    shut: async (site) => expect((await answer(site, '/files/a.txt'))[0]).toBe(403),
  },
  'files under a root with satisfy any: an address replaces the password': {
    found: [['second-url', 'root $files/..;']],
    broken: {
      server: 'auth_basic site; auth_basic_user_file none; satisfy any;',
      locations: 'location / {\nallow all;\nroot $files/..;\n}',
    },
    proof: opens('/files/a.txt'),
    fixed: {
      server: 'auth_basic site; auth_basic_user_file none; satisfy any;',
      locations: 'location / { allow 192.0.2.1; deny all; root $files/..; }',
    },
    shut: async (site) => expect((await answer(site, '/files/a.txt'))[0]).toBe(401),
  },
  'a named location that serves files not found elsewhere': {
    found: [['second-url', 'root $files/..;']],
    broken: {
      locations: `location / { root $files/../www; try_files $uri @old; }
        location @old {\nroot $files/..;\n}`,
    },
    proof: opens('/files/a.txt'),
    fixed: {
      locations: `location / { root $files/../www; try_files $uri @old; }
        location @old { root $files/..; }
        location ^~ /files/ { return 404; }`,
    },
    shut: isNotThere('/files/a.txt'),
  },
  'another internal location that serves files not found elsewhere': {
    found: [['second-url', 'alias $files/;']],
    broken: {
      locations: `location / { root $files/../www; try_files $uri /old$uri; }
        location ^~ /old/ { internal;\nalias $files/;\n}`,
    },
    proof: opens('/a.txt'),
    fixed: {
      locations: `location / { root $files/../www; try_files $uri /index.html; }
        location ^~ /old/ { internal; alias $files/; }`,
    },
    shut: async (site) => expect((await answer(site, '/a.txt'))[1]).toBe('the front page'),
  },
  'a return after a break': {
    found: [['second-url', 'root $files/..;']],
    broken: {
      locations: 'location / { if ($arg_y = "") { break; } return 404;\nroot $files/..;\n}',
    },
    proof: opens('/files/a.txt'),
    fixed: { locations: 'location / { return 404; root $files/..; }' },
    shut: isNotThere('/files/a.txt'),
  },
  'an alias that is off by a slash': {
    found: [['alias-slash', 'location /static {']],
    broken: { locations: 'location /static {\nalias $files/../www/;\n}' },
    proof: opens('/static../files/a.txt'),
    fixed: { locations: 'location /static/ { alias $files/../www/; }' },
    shut: isNotThere('/static../files/a.txt'),
  },
  'an alias of the internal location without its slash': {
    found: [['alias-slash', 'alias $files;']],
    broken: { only: inside(`${INTERNAL}\nalias $files;`) },
    async proof(site) {
      const { url } = await site.issue({ path: '/download/a.txt' });
      expect((await answer(site, url))[0]).toBe(404);
    },
    fixed: {},
    shut: delivers,
  },
  'an internal location without its snippet': {
    found: [
      ['internal', 'location ^~ /protected/ {'],
      ['internal', 'location ^~ /protected/ {'],
      ['internal', 'location ^~ /protected/ {'],
    ],
    broken: { only: inside(`${CACHE}\nadd_header Set-Cookie $postern_set_cookie;\nalias $files/;`) },
    proof: opens('/protected/a.txt'),
    fixed: {},
    shut: isNotThere('/protected/a.txt'),
  },
  'an internal location without any line of its snippets': {
    found: [['internal', 'location ^~ /download/ {']],
    broken: { only: inside('alias $files/;') },
    proof: opens('/protected/a.txt'),
    fixed: {},
    shut: isNotThere('/protected/a.txt'),
  },
  'an internal location that is only `internal`': {
    found: [
      ['internal', 'location ^~ /protected/ {'],
      ['internal', 'location ^~ /protected/ {'],
      ['cache-control', 'location ^~ /protected/ {'],
    ],
    broken: {
      files: { '../www/page.html': PAGE },
      only: inside('internal; alias $files/;'),
      locations: 'location / { ssi on; root $files/../www; }',
    },
    proof: async (site) => expect(await answer(site, '/page.html')).toEqual([200, `[${FILE}]`]),
    fixed: {
      files: { '../www/page.html': PAGE },
      locations: 'location / { ssi on; root $files/../www; }',
    },
    shut: async (site) => expect((await answer(site, '/page.html'))[1]).not.toContain(FILE),
  },
  'an internal location that does not compare the target': {
    found: [['internal', 'location ^~ /protected/ {']],
    broken: {
      files: { '../www/page.html': PAGE },
      locations: 'location / { ssi on; root $files/../www; }',
      edits: [['file', /\$postern_decided !~ ".*"/, '$postern_decided !~ "."']],
    },
    proof: async (site) => expect(await answer(site, '/page.html')).toEqual([200, `[${FILE}]`]),
    fixed: {},
    shut: async () => {},
  },
  'an if in the internal location: folders show its prefix': {
    found: [['internal-rewrite', 'if ($arg_y']],
    broken: {
      only: inside(`${INTERNAL} alias $files/;\nif ($arg_y = "") { set $y 1; }`),
    },
    async proof(site) {
      const { url } = await site.issue({ prefix: '/download/' });
      const { status, header } = await site.ask('GET', `${url}sub`);
      expect([status, header('Location')]).toEqual([
        301,
        expect.stringContaining('/protected/sub/'),
      ]);
    },
    fixed: {},
    async shut(site) {
      const { url } = await site.issue({ prefix: '/download/' });
      expect((await site.ask('GET', `${url}sub`)).status).toBe(404);
    },
  },
  'a rewrite in the internal location: another file than the allowed one': {
    found: [['internal-rewrite', 'rewrite a.txt$ /protected/b.txt']],
    broken: {
      files: { '../protected/a.txt': FILE, '../protected/b.txt': 'file b' },
      // With an alias it would be a 500.
      only: inside(`${INTERNAL} root $files/..;\nrewrite a.txt$ /protected/b.txt break;`),
    },
    async proof(site) {
      const { url } = await site.issue({ path: '/download/a.txt' });
      expect(await answer(site, url)).toEqual([200, 'file b']);
    },
    fixed: {},
    shut: delivers,
  },
  'SSI in the internal location': {
    found: [['internal-extras', 'ssi on;']],
    broken: {
      files: { 'page.html': '[<!--#echo var="request_method" -->]' },
      server: 'ssi on;',
      edits: [['file', 'ssi off;', '']],
    },
    async proof(site) {
      const { url } = await site.issue({ path: '/download/page.html' });
      expect(await answer(site, url)).toEqual([200, '[GET]']);
    },
    fixed: {
      files: { 'page.html': '[<!--#echo var="request_method" -->]' },
      server: 'ssi on;',
    },
    async shut(site) {
      const { url } = await site.issue({ path: '/download/page.html' });
      expect((await answer(site, url))[1]).toContain('<!--#echo');
    },
  },
  'gzip_static in the internal location': {
    found: [['internal-extras', 'gzip_static always;']],
    broken: {
      files: { 'a.txt.gz': 'the sibling' },
      server: 'gzip_static always;',
      edits: [['internal', 'gzip_static off;', '']],
    },
    async proof(site) {
      const { url } = await site.issue({ path: '/download/a.txt' });
      expect(await answer(site, url)).toEqual([200, 'the sibling']);
    },
    fixed: { files: { 'a.txt.gz': 'the sibling' }, server: 'gzip_static always;' },
    shut: delivers,
  },
  'gzip and autoindex in the internal location': {
    found: [
      ['internal', 'location ^~ /protected/ {'],
      ['internal-extras', 'autoindex on;'],
      ['internal-extras', 'gzip on;'],
    ],
    broken: {
      server: 'autoindex on;\ngzip on; gzip_types *; gzip_min_length 1;',
      edits: [
        ['internal', 'autoindex off;', ''],
        ['file', 'gzip off;', ''],
        ['internal', 'try_files $uri =404;', ''],
      ],
    },
    async proof(site) {
      const { url } = await site.issue({ prefix: '/download/' });
      expect((await answer(site, `${url}sub`))[0]).toBe(301);
      const { header } = await site.ask('GET', `${url}a.txt`, { 'Accept-Encoding': 'gzip' });
      expect(header('Content-Encoding')).toBe('gzip');
    },
    fixed: { server: 'autoindex on; gzip on; gzip_types *; gzip_min_length 1;' },
    shut: delivers,
  },
  'no Cache-Control on a delivered file': {
    found: [['cache-control', 'location ^~ /protected/ {']],
    broken: { edits: [['file', CACHE, '']] },
    async proof(site) {
      const { url } = await site.issue({ path: '/download/a.txt' });
      expect((await site.ask('GET', url)).header('Cache-Control')).toBeUndefined();
    },
    fixed: {},
    async shut(site) {
      const { url } = await site.issue({ path: '/download/a.txt' });
      expect((await site.ask('GET', url)).header('Cache-Control')).toBe('private, no-store');
    },
  },
  'a header of the server block that is not sent with files': {
    found: [['add-header', 'add_header Strict-Transport-Security']],
    broken: { server: 'add_header Strict-Transport-Security max-age=9 always;' },
    async proof(site) {
      const { url } = await site.issue({ path: '/download/a.txt' });
      expect((await site.ask('GET', url)).header('Strict-Transport-Security')).toBeUndefined();
    },
    fixed: {
      server: 'add_header Strict-Transport-Security max-age=9 always;',
      only: inside(
        `${INTERNAL} add_header Strict-Transport-Security max-age=9 always; alias $files/;`,
      ),
    },
    async shut(site) {
      const { url } = await site.issue({ path: '/download/a.txt' });
      expect((await site.ask('GET', url)).header('Strict-Transport-Security')).toBe('max-age=9');
    },
  },
  'a list without a token for it': {
    found: [['internal', "location ~ '^(?=.*/$)(?<postern_index>[^&<>\"]+)' {"]],
    broken: {
      edits: [
        ['internal', /$/, 'include postern/listing.conf;\n'],
        ['listing', /if \(\$postern_decided[^}]*}/, ''],
      ],
      locations: 'location = /lists { rewrite ^ /protected/sub/ last; }',
    },
    async proof(site) {
      expect((await answer(site, '/lists'))[1]).toContain('c.txt');
    },
    fixed: {
      edits: [['internal', /$/, 'include postern/listing.conf;\n']],
      locations: 'location = /lists { rewrite ^ /protected/sub/ last; }',
    },
    shut: isNotThere('/lists'),
  },
  "the site's page in place of a file that is not there": {
    found: [['error-page', 'error_page 404 =200 /index.html;']],
    broken: {
      server: 'root $files/../www;\nerror_page 404 =200 /index.html;',
      edits: [
        ['internal', 'error_page 416 @postern_416;', ''],
        ['internal', 'error_page 403 404 429 @postern_failed;', ''],
      ],
    },
    async proof(site) {
      const { url } = await site.issue({ path: '/download/none.txt' });
      expect(await answer(site, url)).toEqual([200, 'the front page']);
    },
    fixed: { server: 'root $files/../www; error_page 404 =200 /index.html;' },
    async shut(site) {
      const { url } = await site.issue({ path: '/download/none.txt' });
      expect((await answer(site, url))[0]).toBe(404);
    },
  },
};

test.each(Object.entries(TRAPS))('doctor --config reports: %s', (_, trap) => check(trap));

test('doctor --config reports an internal location that proxies without internal-proxy.conf', async () => {
  const seen: (string | undefined)[] = [];
  const storage = createServer((request, response) => {
    seen.push(request.headers.authorization);
    response.end(FILE);
  }).listen(0, '127.0.0.1');
  onTestFinished(() => void storage.close());
  await new Promise((resolve) => storage.once('listening', resolve));
  const own = await readFile(join(projectRoot, 'nginx', 'snippets', 'file.conf'), 'utf8');
  const pass = `proxy_pass http://127.0.0.1:${(storage.address() as AddressInfo).port}/;`;
  const cache = 'proxy_cache_path $files/../kept keys_zone=kept:1m;';
  const withToken: Trap['proof'] = async (site) => {
    const { access_token: token } = await site.issue({ path: '/download/a.txt' });
    const Authorization = `Bearer ${token}`;
    expect(await answer(site, '/download/a.txt', { Authorization })).toEqual([200, FILE]);
  };
  await check({
    found: [
      ['internal-proxy', 'proxy_cache kept;'],
      ['internal-proxy', 'location ^~ /protected/ {'],
    ],
    broken: {
      http: cache,
      server: 'proxy_cache kept;',
      only: inside(`${own}\n${pass}`),
    },
    async proof(site) {
      await withToken(site);
      expect(seen.pop()).toMatch(/^Bearer ps_/);
    },
    fixed: {
      http: cache,
      server: 'proxy_cache kept;',
      only: inside(`include postern/internal-proxy.conf; ${pass}`),
    },
    async shut(site) {
      await withToken(site);
      expect(seen.pop()).toBeUndefined();
    },
  });
});
