import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect } from 'vitest';
import { projectRoot } from '../../harness/paths.ts';
import { FILE, get, testTraps, urlOf, withToken } from '../../support/doctor/trap.ts';
import { listening } from '../../support/postern.ts';

// Traps at the internal location, and files of it with a second URL: each one is shown on nginx, found, and fixed.
// test/doctor/leaks.test.ts has others.

const GATE = 'location ^~ /download/ { include postern/protect.conf; }';
const INTERNAL = 'include postern/internal.conf;';
const inside = (inner: string) => `${GATE}\nlocation ^~ /protected/ {\n${inner}\n}`;
const MISSING = ['missing-snippet: location ^~ /protected/ {'];
const A = '/download/a.txt';

testTraps({
  'an alias of the internal location without its slash': {
    found: ['second-url: alias $files;'],
    broken: { only: inside(`${INTERNAL}\nalias $files;`) },
    ask: withToken(A),
    sees: [404, FILE],
  },
  'an internal location without its snippet': {
    found: MISSING,
    broken: { only: inside('add_header Set-Cookie $postern_set_cookie;\nalias $files/;') },
    ask: get('/protected/a.txt'),
    sees: [FILE, 404],
  },
  'an if in the internal location: folders show its prefix': {
    found: ['nested: if ($arg_y'],
    broken: { only: inside(`${INTERNAL} alias $files/;\nif ($arg_y = "") { set $y 1; }`) },
    async ask(site) {
      const { status, header } = await site.ask('GET', `${await urlOf(site, '/download/')}sub`);
      return [status, header('Location')?.replace(/^http:\/\/[^/]*/, '')];
    },
    sees: [
      [301, '/protected/sub/'],
      [404, undefined],
    ],
  },
  'a rewrite in the internal location: another file than the allowed one': {
    found: ['internal-rewrite: rewrite a.txt$ /protected/b.txt'],
    both: { files: { '../protected/a.txt': FILE, '../protected/b.txt': 'file b' } },
    broken: {
      // With an alias it would be a 500.
      only: inside(`${INTERNAL} root $files/..;\nrewrite a.txt$ /protected/b.txt break;`),
    },
    ask: withToken(A),
    sees: ['file b', FILE],
  },
});

const seen: (string | undefined)[] = [];
const storage = await listening((request, response) => {
  seen.push(request.headers.authorization);
  response.end(FILE);
});
afterAll(storage.stop);
const pass = `proxy_pass http://127.0.0.1:${storage.port}/;`;
const own = readFileSync(join(projectRoot, 'nginx', 'snippets', 'file.conf'), 'utf8');

testTraps({
  'an internal location that proxies without internal-proxy.conf': {
    found: MISSING,
    both: {
      http: 'proxy_cache_path $files/../kept keys_zone=kept:1m;',
      server: 'proxy_cache kept;',
    },
    broken: { only: inside(`${own}\n${pass}`) },
    fixed: { only: inside(`include postern/internal-proxy.conf; ${pass}`) },
    async ask(site) {
      const { access_token: token } = await site.issue({ path: A });
      expect(await get(A, { Authorization: `Bearer ${token}` })(site)).toBe(FILE);
      return seen.pop();
    },
    sees: [expect.stringMatching(/^Bearer ps_/), undefined],
  },
});

/** A root of the site with the files in it. */
const UNDER_ROOT = {
  found: ['second-url: root $files/..;'],
  ask: get('/files/a.txt'),
  sees: [FILE, 404],
} as const;
const IN_SUB = { ...UNDER_ROOT, ask: get('/files/sub/c.txt'), sees: ['file c', 404] } as const;

const PASSWORD = 'auth_basic site; auth_basic_user_file none; satisfy any;';

testTraps({
  'files under a root, with a location that returns 404 for them': {
    ...UNDER_ROOT,
    both: { server: 'root $files/..;' },
    broken: { locations: 'location /file { }' },
    fixed: { locations: 'location ^~ /files/ { return 404; }' },
  },
  'a longer location below the files': {
    ...IN_SUB,
    both: { server: 'root $files/..;' },
    broken: { locations: 'location /files/sub/ { } location ^~ /files/ { return 404; }' },
    // An exact location of a folder serves no file.
    fixed: { locations: 'location = /files/sub/ { } location ^~ /files/ { return 404; }' },
  },
  'an exact location beside the location that serves the files': {
    found: ['second-url: root $files;'],
    both: { server: 'root $files;' },
    broken: { locations: 'location = / { return 404; }' },
    fixed: { locations: 'location / { return 404; }' },
    ask: get('/a.txt'),
    sees: [FILE, 404],
  },
  'a regex location inside a location with ^~': {
    ...UNDER_ROOT,
    broken: {
      locations: `location ^~ /files/ { return 404; location ~ \\.txt$ {\nroot $files/..;\n} }`,
    },
    fixed: {
      locations: `location ^~ /files/ { return 404;
        location ^~ /files/ { return 404; } location ~ \\.txt$ { root $files/..; } }`,
    },
  },
  'a regex location that a longer location without ^~ leads to': {
    ...IN_SUB,
    broken: {
      locations: `location ^~ /files/ { return 404; } location /files/sub/ { return 404; }
        location ~ \\.txt$ {\nroot $files/..;\n}`,
    },
    fixed: {
      locations: `location ^~ /files/ { return 404; } location ^~ /files/sub/ { return 404; }
        location ~ \\.txt$ { root $files/..; }`,
    },
  },
  'files under a root that denies one address': {
    ...UNDER_ROOT,
    both: { locations: 'location / {\nroot $files/..;\n}' },
    broken: { server: 'deny 192.0.2.1;' },
    fixed: { server: 'deny all;' },
    sees: [FILE, 403],
  },
  'files under a root with satisfy any: an address replaces the password': {
    ...UNDER_ROOT,
    both: { server: PASSWORD },
    broken: { locations: 'location / {\nallow all;\nroot $files/..;\n}' },
    fixed: { locations: 'location / { allow 192.0.2.1; deny all; root $files/..; }' },
    sees: [FILE, 401],
  },
  'another internal location that serves files not found elsewhere': {
    found: ['second-url: alias $files/;'],
    broken: {
      locations: `location / { root $files/../www; try_files $uri /old$uri; }
        location ^~ /old/ { internal;\nalias $files/;\n}`,
    },
    fixed: {
      locations: `location / { root $files/../www; try_files $uri /index.html; }
        location ^~ /old/ { internal; alias $files/; }`,
    },
    ask: get('/a.txt'),
    sees: [FILE, 'the front page'],
  },
  'a return after a break': {
    ...UNDER_ROOT,
    broken: {
      locations: 'location / { if ($arg_y = "") { break; } return 404;\nroot $files/..;\n}',
    },
    fixed: { locations: 'location / { return 404; root $files/..; }' },
  },
});
