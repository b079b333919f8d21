import { readFile } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Site } from '../../support/site.ts';
import { edit, FILE, get, header, type Trap, testTraps, urlOf, withToken } from './trap.ts';

// Edited snippets: each effect is shown on nginx, found, and fixed.

const A = '/download/a.txt';
/** One finding for each snippet. */
const ONE = ['edited-snippet'];
const TWO = [...ONE, ...ONE];

/** A response of a wrong server on the gate's port. */
const strays =
  (status: number, headers: Record<string, string>): RequestListener =>
  (_, response) =>
    response.writeHead(status, headers).end();

/** A client takes the headers of nginx. */
const SPOOFED = {
  async ask(site: Site) {
    const headers = { 'X-Original-Method': 'GET', 'Postern-Site': 'files.example' };
    const claim = { ...headers, 'X-Original-URI': await urlOf(site, A) };
    return get('/download/anything', claim)(site);
  },
  sees: [FILE, 401],
} as const;

/** Two clients in turn: with one cache key they count as the same request. */
const inTurn =
  (isFirstKnown: boolean): NonNullable<Trap['ask']> =>
  async (site) => {
    const urls = isFirstKnown ? [await urlOf(site, A), A] : [A, await urlOf(site, A)];
    const answers = [];
    for (const url of urls) answers.push(await get(url)(site));
    return answers;
  };

/** The standard locations, with a line above the include. */
const around = (line: string) => `
  location ^~ /download/ { ${line} include postern/protect.conf; }
  location ^~ /protected/ { include postern/internal.conf; alias $files/; }`;

const ARGS = `
  location ^~ /download/ { include postern/protect.conf; }
  location ^~ /protected/ {
    include postern/internal.conf;
    add_header X-Args $args; alias $files/;
  }`;

/** What a log contains of a request with a token. */
const logged: Trap['ask'] = async (site) => {
  const url = await urlOf(site, A);
  expect(await get(url)(site)).toBe(FILE);
  const read = () => readFile(join(site.nginx.dir, 'own.log'), 'utf8');
  await expect.poll(read).toContain('200');
  return (await read()).includes(url);
};

const CACHE = 'proxy_cache_path $files/../kept keys_zone=kept:1m;';
const ONE_KEY = 'proxy_cache kept; proxy_cache_valid any 1m; proxy_cache_key one;';
const OWN_LIMIT = 'limit_conn postern_connections 8; limit_conn_zone $remote_addr zone=own:1m;';

testTraps({
  'no auth-request.conf in the server block': {
    found: TWO,
    // Another server block has it.
    broken: {
      edits: [
        edit('auth-request', 'location @postern_deliver', 'location @other_deliver'),
        edit('denials', /@postern_/g, '@other_'),
      ],
    },
    ask: withToken(A),
    sees: [500, FILE],
  },
  'a client that sets X-Original-URI': {
    found: ONE,
    broken: {
      edits: [
        edit('gate', 'proxy_pass_request_headers off;'),
        edit('gate', 'proxy_set_header X-Original-URI $request_uri;'),
      ],
    },
    ...SPOOFED,
  },
  'a location without gate.conf, by X-Accel': {
    found: ONE,
    both: { mode: 'X-Accel' },
    broken: { edits: [edit('x-accel', 'include postern/gate.conf;')] },
    ...SPOOFED,
  },
  'a confirmation that another site may send': {
    found: ONE,
    broken: { edits: [edit('auth-request', 'proxy_set_header Origin $http_origin;')] },
    async ask(site) {
      const url = await urlOf(site, A, { confirm: true });
      return (await site.ask('POST', url, { Origin: 'https://evil.example' })).status;
    },
    sees: [303, 403],
  },
  'a denial whose X-Accel-Redirect nginx obeys': {
    found: ONE,
    both: {
      gate: strays(403, { 'X-Accel-Redirect': '/ok', 'Postern-Target': '/protected/a.txt' }),
      locations: 'location = /ok { return 204; }',
    },
    broken: {
      edits: [
        edit('auth-request', 'proxy_ignore_headers X-Accel-Redirect', 'proxy_ignore_headers'),
      ],
    },
    ask: get(A),
    // The second check still denies, but the denial is now an error.
    sees: [503, 403],
  },
  'a location that asks the gate, without internal': {
    found: TWO,
    broken: {
      edits: [edit('auth-request', 'internal;'), edit('gate', 'proxy_hide_header Postern-Reason;')],
    },
    async ask(site) {
      const { status, header: of } = await site.ask('GET', '/.postern/auth-request');
      return of('Postern-Reason') === undefined ? status : 'the reason';
    },
    sees: ['the reason', 404],
  },
  'decisions cached under one key, by auth_request': {
    found: ONE,
    both: { http: CACHE },
    broken: {
      edits: [
        edit('auth-request', 'proxy_cache $postern_decisions;', 'proxy_cache kept;'),
        edit('auth-request', 'proxy_cache_valid 204 0s;', 'proxy_cache_valid 204 1m;'),
        edit('auth-request', 'proxy_no_cache $postern_not_kept;'),
        edit('auth-request', 'Cache-Control Expires', 'X-Accel-Expires Cache-Control Expires'),
        edit('auth-request', /proxy_cache_key .*;/, 'proxy_cache_key one;'),
      ],
    },
    ask: inTurn(true),
    sees: [
      [FILE, FILE],
      [FILE, 401],
    ],
  },
  'a denial cached under one key, by X-Accel': {
    found: TWO,
    both: {
      mode: 'X-Accel',
      http: CACHE,
      server: `${ONE_KEY} proxy_ignore_headers X-Accel-Expires Cache-Control Set-Cookie Vary;`,
    },
    broken: {
      edits: [
        edit('gate', 'proxy_cache off;'),
        edit('x-accel', 'proxy_ignore_headers X-Accel-Expires;'),
      ],
    },
    ask: inTurn(false),
    sees: [
      [401, 401],
      [401, FILE],
    ],
  },
  'a proxy_pass with a path, by X-Accel': {
    found: ONE,
    both: { mode: 'X-Accel' },
    broken: {
      edits: [
        edit('x-accel', 'rewrite ^ /x-accel? break;'),
        edit('x-accel', 'proxy_pass http://postern;', 'proxy_pass http://postern/x-accel;'),
      ],
    },
    ask: get(A),
    sees: [404, 401],
  },
  'protect.conf without the delivery': {
    found: ONE,
    both: { files: { '../www/download/a.txt': 'not decided' }, server: 'root $files/../www;' },
    broken: {
      edits: [
        edit('protect', 'root /dev/null/postern;'),
        edit('protect', 'try_files "" @postern_deliver;'),
      ],
    },
    ask: withToken(A),
    sees: ['not decided', FILE],
  },
  'satisfy any with an allowed address': {
    found: TWO,
    both: {
      files: { '../www/download/a.txt': FILE },
      server: 'root $files/../www; satisfy any; allow all;',
    },
    broken: {
      edits: [
        edit('public', 'satisfy all;'),
        edit('protect', 'root /dev/null/postern;'),
        edit('protect', 'try_files "" @postern_deliver;'),
      ],
    },
    ask: get(A),
    sees: [FILE, 401],
  },
  'a 200 of a wrong server that opens the file': {
    found: ONE,
    both: { gate: strays(200, { 'Postern-Target': '/protected/a.txt' }) },
    broken: { edits: [edit('auth-request', '204/[A-Z]*|', '20./[A-Z]*|')] },
    ask: get('/download/x'),
    sees: [FILE, 503],
  },
  'a target that leaves the folder': {
    found: TWO,
    both: {
      files: { '../secret.txt': FILE },
      gate: strays(204, { 'Postern-Target': '/protected/../secret.txt' }),
    },
    broken: {
      edits: [edit('auth-request', '(?!\\.\\.?(/|$))'), edit('internal', 'try_files $uri =404;')],
    },
    ask: get('/download/x'),
    sees: [FILE, 503],
  },
  'a rewrite that passes the token on': {
    found: TWO,
    both: { only: ARGS },
    // The internal location compares the query, too.
    broken: {
      edits: [
        edit('auth-request', '$postern_target?$postern_args? last;', '$postern_target last;'),
        edit('file', /if \(\$postern_decided[^}]*}/),
      ],
    },
    ask: header('X-Args'),
    sees: [expect.stringMatching(/token=ps_/), undefined],
  },
  'tokens in the log': {
    found: ['log: access_log own.log telling;'],
    broken: {
      http: 'log_format telling \'$status $remote_addr "$REQUEST"\';',
      server: 'access_log own.log telling;',
    },
    fixed: {
      http: "log_format short '$remote_addr $status';",
      server: 'access_log own.log short buffer=4k flush=10ms;',
    },
    ask: logged,
    sees: [true, false],
  },
  'tokens in a log in the format combined': {
    found: ['log: access_log own.log;'],
    broken: { server: 'access_log own.log;' },
    fixed: { server: 'access_log own.log postern buffer=4k flush=10ms;' },
    ask: logged,
    sees: [true, false],
  },
  'an error page that the snippet replaces': {
    found: ['error-page: error_page 401 404 /login.html;'],
    both: {
      files: { '../www/login.html': 'log in' },
      server: 'root $files/../www;\nerror_page 401 404 /login.html;',
    },
    broken: {},
    fixed: { only: around('error_page 401 /login.html;') },
    ask: async (site) => (await site.ask('GET', A)).text === 'log in',
    sees: [false, true],
  },
  'a page for denials and errors that the snippet replaces': {
    found: ['error-page: error_page 403 500 502 503 504 /sorry.html;'],
    both: {
      files: { '../www/sorry.html': 'sorry' },
      server: 'root $files/../www;\nerror_page 403 500 502 503 504 /sorry.html;',
      gate: strays(500, {}),
    },
    broken: {},
    // As the doctor advises: without =503 it would be the 500 that nginx makes of it.
    fixed: {
      only: around('error_page 403 /sorry.html; error_page 500 502 503 504 =503 /sorry.html;'),
    },
    async ask(site) {
      const { status, text, header: of } = await site.ask('GET', A);
      return [status, text.includes('sorry'), of('retry-after')];
    },
    sees: [
      [503, false, '5'],
      [503, true, undefined],
    ],
  },
  // test/nginx/limits.test.ts shows that nginx then drops the limit.
  'a limit_conn that replaces the limit of a token': {
    found: ['limit-conn: limit_conn own 100;'],
    both: { http: OWN_LIMIT },
    broken: { server: 'limit_conn own 100;' },
    fixed: { locations: 'location / { limit_conn own 100; }' },
  },
});
