import { mount } from '../../support/postern.ts';
import { FILE, get, testTraps, withToken } from './trap.ts';

// Traps at the public location: each one is shown on nginx, found by file and line, and fixed.

const IN_WWW = { files: { '../www/download/a.txt': FILE, '../www/download/a.jpg': FILE } };
const ROOT = { server: 'root $files/../www;' };
const UNDECIDED = { files: { '../www/download/a.txt': 'not decided' }, ...ROOT };
const INTERNAL = `
  location ^~ /protected/ {
    include postern/internal.conf; alias $files/;
  }`;
const around = (inner: string) => `location ^~ /download/ {\n${inner}\n}\n${INTERNAL}`;
const PROTECT = 'include postern/protect.conf;';
// With this root, a request that loses the delivery finds no file.
const NO_ROOT = ['protect', 'root /dev/null/postern;', ''] as const;
const X_ACCEL = 'include postern/x-accel.conf;';

/** The broken site sends the file without a token. */
const OPEN = { ask: get('/download/a.txt'), sees: [FILE, 401] } as const;
const OPEN_JPG = { ask: get('/download/a.jpg'), sees: [FILE, 401] } as const;
const IF_REWRITES = 'if ($arg_y = "") { rewrite ^ /open$uri last; ';

const MEDIA = [mount('/download/', '/protected/'), mount('/media/', '/protected/')];
const PRIVATE = [mount('/download/', '/private/')];
const NAMED = [mount('files.example:/download/', '/protected/')];

testTraps({
  'a public location without ^~, and a regex location that wins': {
    found: ['missing-caret: location /download/ {'],
    both: { ...IN_WWW, locations: 'location ~* ^/else|\\.jpg$ { root $files/../www; }' },
    broken: { only: `location /download/ { ${PROTECT} }\n${INTERNAL}` },
    ...OPEN_JPG,
  },
  'an internal location without ^~, and a regex location that wins': {
    found: ['missing-caret: location /protected/ {'],
    both: {
      files: { '../www/protected/a.txt': FILE },
      locations: `location ~ ^/protected/ { root $files/../www; }
        location ~ ^/elsewhere/ { root $files/../www; }`,
    },
    broken: { only: `location ^~ /download/ { ${PROTECT} }\n${INTERNAL.replace('^~ ', '')}` },
    ask: get('/protected/a.txt'),
    sees: [FILE, 404],
  },
  'a public location inside one without ^~, and a regex location that wins': {
    found: ['missing-caret: location ^~ /download/ {'],
    both: { ...IN_WWW, ...ROOT, locations: 'location ~* \\.jpg$ { expires 30d; }' },
    broken: { only: `location / {\nlocation ^~ /download/ { ${PROTECT} }\n}\n${INTERNAL}` },
    fixed: {
      only: `location ^~ /download {\nlocation ^~ /download/ { ${PROTECT} }\n}\n${INTERNAL}`,
    },
    ...OPEN_JPG,
  },
  'a location inside the public location, by X-Accel': {
    found: ['nested: location ~ \\.txt$'],
    both: { mode: 'X-Accel', ...IN_WWW, ...ROOT },
    broken: { only: around(`${X_ACCEL}\nlocation ~ \\.txt$ { }`) },
    ...OPEN,
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
    found: ['error-page: error_page 418 = @open;'],
    both: IN_WWW,
    broken: {
      only: around(`error_page 418 = @open;\nif ($arg_y = "") { return 418; }\n${PROTECT}`),
      locations: 'location @open { root $files/../www; }',
    },
    fixed: {
      only: around(`error_page 418 = @no;\nif ($arg_y = "x") { return 418; }\n${PROTECT}`),
      locations: 'location @no { return 410; }',
    },
    ...OPEN,
  },
  'an error_page for denials that serves the files': {
    found: ['error-page: error_page 401 403 = @open;'],
    both: {
      files: { ...IN_WWW.files, '../www/401.html': 'no' },
      locations:
        'location = /401.html { root $files/../www; } location @open { root $files/../www; }',
    },
    broken: { only: around(`error_page 401 403 = @open;\n${PROTECT}`) },
    // Below the include it has no effect: the first line for a status counts.
    fixed: { only: around(`error_page 401 /401.html;\n${PROTECT}\nerror_page 403 = @open;`) },
    ...OPEN,
  },
  'an error_page that turns a denial into 200': {
    found: ['error-page: error_page 401 =200 /a.txt;'],
    both: {
      files: { '../www/a.txt': 'a page' },
      locations: 'location = /a.txt { root $files/../www; }',
    },
    broken: { only: around(`error_page 401 =200 /a.txt;\n${PROTECT}`) },
    fixed: { only: around(`error_page 401 /a.txt;\n${PROTECT}`) },
    ask: get('/download/a.txt'),
    sees: ['a page', 401],
  },
  'an if inside the public location, by auth_request: another file than the allowed one': {
    found: ['edited-snippet', 'nested: if ($arg_y'],
    both: UNDECIDED,
    broken: { only: around(`${PROTECT}\nif ($arg_y = "") { set $seen 1; }`), edits: [NO_ROOT] },
    fixed: { only: around(`if ($arg_y = "x") { return 403; }\n${PROTECT}`) },
    ask: withToken('/download/a.txt'),
    sees: ['not decided', FILE],
  },
  'a limit_except inside the public location': {
    found: ['edited-snippet', 'nested: limit_except'],
    both: UNDECIDED,
    broken: { only: around(`${PROTECT}\nlimit_except POST { allow all; }`), edits: [NO_ROOT] },
    ask: withToken('/download/a.txt'),
    sees: ['not decided', FILE],
  },
  'auth_request in the server block': {
    found: ['server-auth-request: auth_request /.postern/auth-request;'],
    both: { locations: 'location / { }' },
    broken: { server: `auth_request /.postern/auth-request; ${ROOT.server}` },
    fixed: ROOT,
    ask: get('/index.html'),
    sees: [401, 'the front page'],
  },
  // Early data can be replayed: RFC 8446, section 8.
  'early data': {
    found: ['early-data: ssl_early_data on;'],
    broken: { server: 'ssl_early_data on;' },
    fixed: { server: 'ssl_early_data on; if ($ssl_early_data) { return 425; }' },
  },
  'a configuration that never asks the gate': {
    found: ['no-gate: http {'],
    broken: { only: 'location /download/ { alias $files/; }' },
    ...OPEN,
  },
  'a mount without a public location': {
    mounts: MEDIA,
    found: ['mounts: server {'],
    both: { mounts: MEDIA },
    broken: {},
    fixed: { locations: `location ^~ /media/ { ${PROTECT} }` },
    ask: withToken('/media/a.txt'),
    sees: [404, FILE],
  },
  'a mount whose public location does not ask the gate': {
    mounts: MEDIA,
    found: ['mounts: location /media/ {'],
    broken: { locations: 'location /media/ { alias $files/../www/; }' },
    fixed: { locations: `location ^~ /media/ { ${PROTECT} }` },
    ask: get('/media/index.html'),
    sees: ['the front page', 401],
  },
  'a mount without an internal location, and the reverse': {
    mounts: PRIVATE,
    found: ['mounts: server {', 'mounts: location ^~ /protected/ {'],
    both: { mounts: PRIVATE },
    broken: {},
    fixed: {
      only: `location ^~ /download/ { ${PROTECT} }${INTERNAL.replace('protected', 'private')}`,
    },
    ask: withToken('/download/a.txt'),
    sees: [404, FILE],
  },
  'a public location that has only a mount of another site': {
    mounts: [mount('media.example:/download/', '/protected/')],
    found: [
      'mounts: http {',
      'mounts: location ^~ /download/ {',
      'mounts: location ^~ /protected/ {',
    ],
    broken: {},
    fixed: { serverName: 'media.example files.example' },
  },
  'a mount of a name that is not the first of its server block': {
    mounts: NAMED,
    found: ['mounts: server {'],
    both: { mounts: NAMED },
    broken: { serverName: 'www.files.example files.example' },
    fixed: { serverName: 'files.example www.files.example' },
    ask: withToken('/download/a.txt'),
    sees: [403, FILE],
  },
  'an internal location that only its mount names': {
    mounts: [mount('/download/', '/protected/')],
    found: ['missing-snippet: location ^~ /protected/ {'],
    broken: {
      only: `location ^~ /download/ { ${PROTECT} }\nlocation ^~ /protected/ { alias $files/; }`,
    },
    ask: get('/protected/a.txt'),
    sees: [FILE, 404],
  },
});
