import { expect, test } from 'vitest';
import { answer, check, FILE, type Trap } from './trap.ts';

// Traps at the public location: each one is shown on nginx, found by file and line, and fixed.

const OPEN = { '../www/download/a.txt': FILE, '../www/download/a.jpg': FILE };
const INTERNAL = `
  location ^~ /protected/ {
    include postern/internal.conf; alias $files/;
  }`;
const around = (inner: string) => `location ^~ /download/ {\n${inner}\n}\n${INTERNAL}`;
const PROTECT = 'include postern/protect.conf;';
// With this root, a request that loses the delivery finds no file.
const NO_ROOT = ['protect', 'root /dev/null/postern;', ''] as const;
const X_ACCEL = 'include postern/x-accel.conf;';

const opens = (target: string): Trap['proof'] => {
  return async (site) => expect(await answer(site, target)).toEqual([200, FILE]);
};
const denies = (target: string): Trap['proof'] => {
  return async (site) => expect((await answer(site, target))[0]).toBe(401);
};

const TRAPS: Readonly<Record<string, Trap>> = {
  'a public location without ^~, and a regex location that wins': {
    found: [
      ['missing-caret', 'location /download/ {'],
      ['missing-caret', 'location ~* ^/elsewhere/|\\.jpg$'],
    ],
    broken: {
      files: OPEN,
      only: `location /download/ { ${PROTECT} }\n${INTERNAL}`,
      locations: 'location ~* ^/elsewhere/|\\.jpg$ { root $files/../www; }',
    },
    proof: opens('/download/a.jpg'),
    fixed: { files: OPEN, locations: 'location ~* \\.jpg$ { root $files/../www; }' },
    shut: denies('/download/a.jpg'),
  },
  'an internal location without ^~, and a regex location that wins': {
    found: [
      ['missing-caret', 'location /protected/ {'],
      ['missing-caret', 'location ~ ^/protected/'],
    ],
    broken: {
      files: { '../www/protected/a.txt': FILE },
      only: `location ^~ /download/ { ${PROTECT} }
        ${INTERNAL.replace('^~ ', '')}
        location ~ ^/protected/ { root $files/../www; }
        location ~ ^/elsewhere/ { root $files/../www; }`,
    },
    proof: opens('/protected/a.txt'),
    fixed: { locations: 'location ~ ^/protected/ { root $files/../www; }' },
    shut: async (site) => expect((await answer(site, '/protected/a.txt'))[0]).toBe(404),
  },
  'a public location inside one without ^~, and a regex location that wins': {
    found: [
      ['missing-caret', 'location ^~ /download/ {'],
      ['missing-caret', 'location ~* \\.jpg$'],
    ],
    broken: {
      files: OPEN,
      server: 'root $files/../www;',
      only: `location / {\nlocation ^~ /download/ { ${PROTECT} }\n}\n${INTERNAL}`,
      locations: 'location ~* \\.jpg$ { expires 30d; }',
    },
    proof: opens('/download/a.jpg'),
    fixed: {
      files: OPEN,
      server: 'root $files/../www;',
      only: `location ^~ /download {\nlocation ^~ /download/ { ${PROTECT} }\n}\n${INTERNAL}`,
      locations: 'location ~* \\.jpg$ { expires 30d; }',
    },
    shut: denies('/download/a.jpg'),
  },
  'a location inside the public location, by X-Accel': {
    found: [['nested', 'location ~ \\.txt$']],
    broken: {
      mode: 'X-Accel',
      files: OPEN,
      server: 'root $files/../www;',
      only: around(`${X_ACCEL}\nlocation ~ \\.txt$ { }`),
    },
    proof: opens('/download/a.txt'),
    fixed: { mode: 'X-Accel', files: OPEN, server: 'root $files/../www;' },
    shut: denies('/download/a.txt'),
  },
  'an if with a rewrite inside the public location, by X-Accel': {
    found: [['nested', 'if ($arg_y']],
    broken: {
      mode: 'X-Accel',
      files: OPEN,
      only: around(`if ($arg_y = "") { rewrite ^ /open$uri last; }\n${X_ACCEL}`),
      locations: 'location /open/ { alias $files/../www/; }',
    },
    proof: opens('/download/a.txt'),
    fixed: {
      mode: 'X-Accel',
      files: OPEN,
      only: around(`if ($arg_y = "") { set $seen 1; }\n${X_ACCEL}`),
      locations: 'location /open/ { alias $files/../www/; }',
    },
    shut: denies('/download/a.txt'),
  },
  'an if inside the public location with a break before its return': {
    found: [['nested', 'if ($arg_y']],
    broken: {
      files: { '../www/open/download/a.txt': FILE },
      server: 'root $files/../www;',
      only: around(`${PROTECT}\nif ($arg_y = "") { rewrite ^ /open$uri last; return 403; }`),
    },
    proof: opens('/download/a.txt'),
    fixed: {
      files: { '../www/open/download/a.txt': FILE },
      server: 'root $files/../www;',
      only: around(`if ($arg_y = "x") { rewrite ^ /open$uri; return 403; }\n${PROTECT}`),
    },
    shut: denies('/download/a.txt'),
  },
  'an if that returns a status whose error_page serves the files': {
    found: [['error-page', 'error_page 418 = @open;']],
    broken: {
      files: OPEN,
      only: around(`error_page 418 = @open;\nif ($arg_y = "") { return 418; }\n${PROTECT}`),
      locations: 'location @open { root $files/../www; }',
    },
    proof: opens('/download/a.txt'),
    fixed: {
      files: OPEN,
      only: around(`error_page 418 = @no;\nif ($arg_y = "x") { return 418; }\n${PROTECT}`),
      locations: 'location @no { return 410; }',
    },
    shut: denies('/download/a.txt'),
  },
  'an error_page for denials that serves the files': {
    found: [['error-page', 'error_page 401 403 = @open;']],
    broken: {
      files: OPEN,
      only: around(`error_page 401 403 = @open;\n${PROTECT}`),
      locations: 'location @open { root $files/../www; }',
    },
    proof: opens('/download/a.txt'),
    fixed: {
      files: { ...OPEN, '../www/401.html': 'no' },
      // Below the include it has no effect: the first line for a status counts.
      only: around(`error_page 401 /401.html;\n${PROTECT}\nerror_page 403 = @open;`),
      locations:
        'location = /401.html { root $files/../www; } location @open { root $files/../www; }',
    },
    shut: denies('/download/a.txt'),
  },
  'an error_page that turns a denial into 200': {
    found: [['error-page', 'error_page 401 =200 /a.txt;']],
    broken: {
      files: { '../www/a.txt': FILE },
      only: around(`error_page 401 =200 /a.txt;\n${PROTECT}`),
      locations: 'location = /a.txt { root $files/../www; }',
    },
    proof: opens('/download/a.txt'),
    fixed: {
      files: { '../www/a.txt': FILE },
      only: around(`error_page 401 /a.txt;\n${PROTECT}`),
      locations: 'location = /a.txt { root $files/../www; }',
    },
    shut: denies('/download/a.txt'),
  },
  'an if inside the public location, by auth_request: another file than the allowed one': {
    found: [['nested', 'if ($arg_y']],
    broken: {
      files: { '../www/download/a.txt': 'not decided' },
      server: 'root $files/../www;',
      only: around(`${PROTECT}\nif ($arg_y = "") { set $seen 1; }`),
      edits: [NO_ROOT],
    },
    async proof(site) {
      const { url } = await site.issue({ path: '/download/a.txt' });
      expect(await answer(site, url)).toEqual([200, 'not decided']);
    },
    fixed: {
      files: { '../www/download/a.txt': 'not decided' },
      server: 'root $files/../www;',
      only: around(`if ($arg_y = "x") { return 403; }\n${PROTECT}`),
    },
    async shut(site) {
      const { url } = await site.issue({ path: '/download/a.txt' });
      expect(await answer(site, url)).toEqual([200, FILE]);
    },
  },
  'a limit_except inside the public location': {
    found: [['nested', 'limit_except']],
    broken: {
      files: { '../www/download/a.txt': 'not decided' },
      server: 'root $files/../www;',
      only: around(`${PROTECT}\nlimit_except POST { allow all; }`),
      edits: [NO_ROOT],
    },
    async proof(site) {
      const { url } = await site.issue({ path: '/download/a.txt' });
      expect(await answer(site, url)).toEqual([200, 'not decided']);
    },
    fixed: {},
    async shut(site) {
      const { url } = await site.issue({ path: '/download/a.txt' });
      expect(await answer(site, url)).toEqual([200, FILE]);
    },
  },
  'auth_request in the server block': {
    found: [['server-auth-request', 'auth_request /.postern/auth-request;']],
    broken: {
      server: 'auth_request /.postern/auth-request; root $files/../www;',
      locations: 'location / { }',
    },
    proof: denies('/index.html'),
    fixed: { server: 'root $files/../www;', locations: 'location / { }' },
    shut: async (site) => expect((await answer(site, '/index.html'))[0]).toBe(200),
  },
  'early data': {
    found: [['early-data', 'ssl_early_data on;']],
    broken: { server: 'ssl_early_data on;' },
    // Early data can be replayed: RFC 8446, section 8.
    proof: async () => {},
    fixed: { server: 'ssl_early_data on; if ($ssl_early_data) { return 425; }' },
    shut: async () => {},
  },
};

test.each(Object.entries(TRAPS))('doctor --config reports: %s', (_, trap) => check(trap));
