import { FILE, get, testTraps, withToken } from '../../support/doctor/trap.ts';

// Traps at the public location, and error pages that a request shows: each one is shown on nginx, found by file and line, and fixed.
// test/doctor/leaks.test.ts has others.

const IN_WWW = { files: { '../www/download/a.txt': FILE, '../www/download/a.jpg': FILE } };
const ROOT = { server: 'root $files/../www;' };
const INTERNAL = `
  location ^~ /protected/ {
    include postern/internal.conf; alias $files/;
  }`;
const around = (inner: string) => `location ^~ /download/ {\n${inner}\n}\n${INTERNAL}`;
const PROTECT = 'include postern/protect.conf;';
const A = '/download/a.txt';
const X_ACCEL = 'include postern/x-accel.conf;';

/** The broken site sends the file without a token. */
const OPEN = { ask: get(A), sees: [FILE, 401] } as const;
const OPEN_JPG = { ask: get('/download/a.jpg'), sees: [FILE, 401] } as const;
const IF_REWRITES = 'if ($arg_y = "") { rewrite ^ /open$uri last; ';

testTraps({
  'a public location inside one without ^~, and a regex location that wins': {
    found: ['missing-caret: location ^~ /download/ {'],
    both: { ...IN_WWW, ...ROOT, locations: 'location ~* \\.jpg$ { expires 30d; }' },
    broken: { only: `location / {\nlocation ^~ /download/ { ${PROTECT} }\n}\n${INTERNAL}` },
    fixed: {
      only: `location ^~ /download {\nlocation ^~ /download/ { ${PROTECT} }\n}\n${INTERNAL}`,
    },
    ...OPEN_JPG,
  },
  'an if with a rewrite inside the public location, by X-Accel': {
    found: ['nested: if ($arg_y'],
    both: { mode: 'X-Accel', ...IN_WWW, locations: 'location /open/ { alias $files/../www/; }' },
    broken: { only: around(`${IF_REWRITES}}\n${X_ACCEL}`) },
    fixed: { only: around(`if ($arg_y = "") { set $seen 1; }\n${X_ACCEL}`) },
    ...OPEN,
  },
  'an if inside the public location with a break before its return': {
    found: ['nested: if ($arg_y'],
    both: { files: { '../www/open/download/a.txt': FILE }, ...ROOT },
    broken: { only: around(`${PROTECT}\n${IF_REWRITES}return 403; }`) },
    fixed: { only: around(`if ($arg_y = "x") { rewrite ^ /open$uri; return 403; }\n${PROTECT}`) },
    ...OPEN,
  },
  'an if that returns a status whose error_page serves the files': {
    found: ['second-url: location @open'],
    broken: {
      only: around(`error_page 418 = @open;\nif ($arg_y = "") { return 418; }\n${PROTECT}`),
      locations: 'location @open { rewrite ^/download/(.*)$ /$1 break; root $files; }',
    },
    fixed: {
      only: around(`error_page 418 = @no;\nif ($arg_y = "x") { return 418; }\n${PROTECT}`),
      locations: 'location @no { return 410; }',
    },
    ...OPEN,
  },
  'an if inside the public location, by auth_request: no file is delivered': {
    found: ['nested: if ($arg_y'],
    broken: { only: around(`${PROTECT}\nif ($arg_y = "") { set $seen 1; }`) },
    fixed: { only: around(`if ($arg_y = "x") { return 403; }\n${PROTECT}`) },
    ask: withToken(A),
    sees: [404, FILE],
  },
  'a limit_except inside the public location': {
    found: ['nested: limit_except'],
    broken: { only: around(`${PROTECT}\nlimit_except POST { allow all; }`) },
    ask: withToken(A),
    sees: [404, FILE],
  },
  'auth_request in the server block': {
    found: ['server-auth-request: auth_request /.postern/auth-request;'],
    both: { locations: 'location / { }' },
    broken: { server: `auth_request /.postern/auth-request; ${ROOT.server}` },
    fixed: ROOT,
    ask: get('/index.html'),
    sees: [401, 'the front page'],
  },
  'a configuration that never asks the gate': {
    found: ['no-gate: location /download/'],
    broken: { only: 'location /download/ { alias $files/; }' },
    ...OPEN,
  },
});
