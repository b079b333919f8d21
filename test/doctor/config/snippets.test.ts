import { readFile } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Site } from '../../support/site.ts';
import { answer, check, FILE, type Trap } from './trap.ts';

// Edited snippets: each effect is shown on nginx, found, and fixed.

const QUESTION = 'location = /.postern/auth-request {';
const DELIVER = 'location @postern_deliver {';
const PUBLIC = 'location ^~ /download/ {';

/** A response of a wrong server on the gate's port. */
const strays =
  (status: number, headers: Record<string, string>): RequestListener =>
  (_, response) =>
    response.writeHead(status, headers).end();

const opens = (target: string, headers?: Record<string, string>): Trap['proof'] => {
  return async (site) => expect(await answer(site, target, headers)).toEqual([200, FILE]);
};
const stays = (target: string, headers?: Record<string, string>): Trap['shut'] => {
  return async (site) => {
    const [status, text] = await answer(site, target, headers);
    expect([status >= 400, text.includes(FILE)]).toEqual([true, false]);
  };
};

/** Requests of other clients: with one cache key they all count as the same request. */
const opensForTheNext: Trap['proof'] = async (site) => {
  const { url } = await site.issue({ path: '/download/a.txt' });
  expect(await answer(site, url)).toEqual([200, FILE]);
  await opens('/download/a.txt')(site);
};
const staysForTheNext: Trap['shut'] = async (site) => {
  const { url } = await site.issue({ path: '/download/a.txt' });
  expect(await answer(site, url)).toEqual([200, FILE]);
  await stays('/download/a.txt')(site);
};

const deniesTheNext: Trap['proof'] = async (site) => {
  const { url } = await site.issue({ path: '/download/a.txt' });
  await stays('/download/a.txt')(site);
  await stays(url)(site);
};
const opensToTheNext: Trap['shut'] = async (site) => {
  const { url } = await site.issue({ path: '/download/a.txt' });
  await stays('/download/a.txt')(site);
  await opens(url)(site);
};

const spoofed = (url: string) => ({
  'X-Original-URI': url,
  'X-Original-Method': 'GET',
  'Postern-Site': 'files.example',
});
const opensBySpoofing: Trap['proof'] = async (site) => {
  const { url } = await site.issue({ path: '/download/a.txt' });
  await opens('/download/anything', spoofed(url))(site);
};
const staysBySpoofing: Trap['shut'] = async (site) => {
  const { url } = await site.issue({ path: '/download/a.txt' });
  await stays('/download/anything', spoofed(url))(site);
};

const SHOWS_ARGS = `
  location ^~ /download/ { include postern/protect.conf; }
  location ^~ /protected/ {
    include postern/internal.conf;
    add_header X-Args $args; alias $files/;
  }`;
async function argsSeen(site: Site): Promise<string | undefined> {
  const { url } = await site.issue({ path: '/download/a.txt' });
  return (await site.ask('GET', url)).header('X-Args');
}

async function confirmedFrom(site: Site, origin: string): Promise<number> {
  const { url } = await site.issue({ path: '/download/a.txt', confirm: true });
  return (await site.ask('POST', url, { Origin: origin })).status;
}

const CACHE = 'proxy_cache_path $files/../kept keys_zone=kept:1m;';
const ONE_KEY = 'proxy_cache kept; proxy_cache_valid any 1m; proxy_cache_key one;';
const SHARED = `${ONE_KEY} proxy_ignore_headers X-Accel-Expires Cache-Control Set-Cookie Vary;`;

const TRAPS: Readonly<Record<string, Trap>> = {
  'no auth-request.conf in the server block': {
    found: [['missing-auth-request', PUBLIC]],
    broken: {
      // Another server block has it.
      edits: [
        ['auth-request', 'location @postern_deliver', 'location @other_deliver'],
        ['denials', /@postern_/g, '@other_'],
      ],
    },
    async proof(site) {
      const { url } = await site.issue({ path: '/download/a.txt' });
      expect((await answer(site, url))[0]).toBe(500);
    },
    fixed: {},
    async shut(site) {
      const { url } = await site.issue({ path: '/download/a.txt' });
      expect(await answer(site, url)).toEqual([200, FILE]);
    },
  },
  'a client that sets X-Original-URI': {
    found: [
      ['question', QUESTION],
      ['question', QUESTION],
      ['question', 'location = /.postern/confirm {'],
      ['question', 'location = /.postern/confirm {'],
    ],
    broken: {
      edits: [
        ['gate', 'proxy_pass_request_headers off;', ''],
        ['gate', 'proxy_set_header X-Original-URI $request_uri;', ''],
      ],
    },
    proof: opensBySpoofing,
    fixed: {},
    shut: staysBySpoofing,
  },
  'a location without gate.conf, by X-Accel': {
    found: [1, 2, 3, 4, 5].map(() => ['x-accel', PUBLIC]),
    broken: { mode: 'X-Accel', edits: [['x-accel', 'include postern/gate.conf;', '']] },
    proof: opensBySpoofing,
    fixed: { mode: 'X-Accel' },
    shut: staysBySpoofing,
  },
  'a confirmation that another site may send': {
    found: [['question', 'location = /.postern/confirm {']],
    broken: { edits: [['auth-request', 'proxy_set_header Origin $http_origin;', '']] },
    async proof(site) {
      expect(await confirmedFrom(site, 'https://evil.example')).toBe(303);
    },
    fixed: {},
    async shut(site) {
      expect(await confirmedFrom(site, 'https://evil.example')).toBe(403);
    },
  },
  'a denial whose X-Accel-Redirect nginx obeys': {
    found: [
      ['question', QUESTION],
      ['question', 'location = /.postern/confirm {'],
    ],
    broken: {
      gate: strays(403, { 'X-Accel-Redirect': '/ok', 'Postern-Target': '/protected/a.txt' }),
      locations: 'location = /ok { return 204; }',
      edits: [['auth-request', 'proxy_ignore_headers X-Accel-Redirect', 'proxy_ignore_headers']],
    },
    // The second check still denies, but the denial is now an error.
    proof: async (site) => expect((await answer(site, '/download/a.txt'))[0]).toBe(503),
    fixed: {
      gate: strays(403, { 'X-Accel-Redirect': '/ok', 'Postern-Target': '/protected/a.txt' }),
      locations: 'location = /ok { return 204; }',
    },
    shut: async (site) => expect((await answer(site, '/download/a.txt'))[0]).toBe(403),
  },
  'a location that asks the gate, without internal': {
    found: [
      ['question', QUESTION],
      ['question', 'location = /.postern/confirm {'],
    ],
    broken: {
      edits: [
        ['auth-request', 'internal;', ''],
        ['gate', 'proxy_hide_header Postern-Reason;', ''],
      ],
    },
    async proof(site) {
      const { header } = await site.ask('GET', '/.postern/auth-request');
      expect(header('Postern-Reason')).toBeDefined();
    },
    fixed: {},
    async shut(site) {
      expect((await answer(site, '/.postern/auth-request'))[0]).toBe(404);
    },
  },
  'decisions cached under one key, by auth_request': {
    found: [
      ['question', QUESTION],
      ['question', 'proxy_cache kept;'],
    ],
    broken: {
      http: CACHE,
      edits: [
        ['auth-request', 'proxy_cache $postern_decisions;', 'proxy_cache kept;'],
        ['auth-request', 'proxy_cache_valid 204 0s;', 'proxy_cache_valid 204 1m;'],
        ['auth-request', 'proxy_no_cache $postern_not_kept;', ''],
        ['auth-request', 'Cache-Control Expires', 'X-Accel-Expires Cache-Control Expires'],
        ['auth-request', /proxy_cache_key .*;/, 'proxy_cache_key one;'],
      ],
    },
    proof: opensForTheNext,
    fixed: { http: CACHE },
    shut: staysForTheNext,
  },
  'a denial cached under one key, by X-Accel': {
    found: [['x-accel', PUBLIC]],
    broken: {
      mode: 'X-Accel',
      http: CACHE,
      server: SHARED,
      edits: [
        ['gate', 'proxy_cache off;', ''],
        ['x-accel', 'proxy_ignore_headers X-Accel-Expires;', ''],
      ],
    },
    proof: deniesTheNext,
    fixed: { mode: 'X-Accel', http: CACHE, server: SHARED },
    shut: opensToTheNext,
  },
  'a proxy_pass with a path, by X-Accel': {
    found: [['x-accel', PUBLIC]],
    broken: {
      mode: 'X-Accel',
      edits: [
        ['x-accel', 'rewrite ^ /x-accel? break;', ''],
        ['x-accel', 'proxy_pass http://postern;', 'proxy_pass http://postern/x-accel;'],
      ],
    },
    proof: async (site) => expect((await answer(site, '/download/a.txt'))[0]).toBe(404),
    fixed: { mode: 'X-Accel' },
    shut: async (site) => expect((await answer(site, '/download/a.txt'))[0]).toBe(401),
  },
  'protect.conf without the delivery': {
    found: [['protect', PUBLIC]],
    broken: {
      files: { '../www/download/a.txt': 'not decided' },
      server: 'root $files/../www;',
      edits: [
        ['protect', 'root /dev/null/postern;', ''],
        ['protect', 'try_files "" @postern_deliver;', ''],
      ],
    },
    async proof(site) {
      const { url } = await site.issue({ path: '/download/a.txt' });
      expect(await answer(site, url)).toEqual([200, 'not decided']);
    },
    fixed: { server: 'root $files/../www;' },
    async shut(site) {
      const { url } = await site.issue({ path: '/download/a.txt' });
      expect(await answer(site, url)).toEqual([200, FILE]);
    },
  },
  'satisfy any with an allowed address': {
    found: [
      ['protect', PUBLIC],
      ['protect', PUBLIC],
    ],
    broken: {
      files: { '../www/download/a.txt': FILE },
      server: 'root $files/../www; satisfy any; allow all;',
      edits: [
        ['public', 'satisfy all;', ''],
        ['protect', 'root /dev/null/postern;', ''],
        ['protect', 'try_files "" @postern_deliver;', ''],
      ],
    },
    proof: opens('/download/a.txt'),
    fixed: { server: 'satisfy any; allow all;' },
    shut: stays('/download/a.txt'),
  },
  'a 200 of a wrong server that opens the file': {
    found: [['deliver', DELIVER]],
    broken: {
      gate: strays(200, { 'Postern-Target': '/protected/a.txt' }),
      edits: [['auth-request', '"(^|[ :])204/|^/HIT$"', '"20./"']],
    },
    proof: opens('/download/x'),
    fixed: { gate: strays(200, { 'Postern-Target': '/protected/a.txt' }) },
    shut: stays('/download/x'),
  },
  'a target that leaves the folder': {
    found: [
      ['deliver', DELIVER],
      ['internal', 'location ^~ /protected/ {'],
    ],
    broken: {
      files: { '../secret.txt': FILE },
      gate: strays(204, { 'Postern-Target': '/protected/../secret.txt' }),
      edits: [
        [
          'auth-request',
          'if ($postern_target ~ "//|/\\.\\.?(/|$)") {',
          'if ($postern_target ~ "//") {',
        ],
        ['internal', 'try_files $uri =404;', ''],
      ],
    },
    proof: opens('/download/x'),
    fixed: {
      files: { '../secret.txt': FILE },
      gate: strays(204, { 'Postern-Target': '/protected/../secret.txt' }),
    },
    shut: stays('/download/x'),
  },
  'a rewrite that passes the token on': {
    found: [
      ['deliver', DELIVER],
      ['internal', 'location ^~ /protected/ {'],
    ],
    // The internal location compares the query, too.
    broken: {
      only: SHOWS_ARGS,
      edits: [
        ['auth-request', '$postern_target?$postern_args? last;', '$postern_target last;'],
        ['file', /if \(\$postern_decided[^}]*}/, ''],
      ],
    },
    proof: async (site) => expect(await argsSeen(site)).toMatch(/token=ps_/),
    fixed: { only: SHOWS_ARGS },
    shut: async (site) => expect(await argsSeen(site)).toBeUndefined(),
  },
  'tokens in the log': {
    found: [['log', 'access_log telling.log telling;']],
    broken: {
      http: 'log_format telling \'$remote_addr "$REQUEST"\';',
      server: 'access_log telling.log telling;',
    },
    async proof(site) {
      const { url } = await site.issue({ path: '/download/a.txt' });
      await opens(url)(site);
      const read = () => readFile(join(site.nginx.dir, 'telling.log'), 'utf8');
      await expect.poll(read).toContain(url);
    },
    fixed: {
      http: "log_format short '$remote_addr $status';",
      server: 'access_log short.log short buffer=4k;',
    },
    shut: async () => {},
  },
  'tokens in a log in the format combined': {
    found: [['log', 'access_log telling.log;']],
    broken: { server: 'access_log telling.log;' },
    async proof(site) {
      const { url } = await site.issue({ path: '/download/a.txt' });
      await opens(url)(site);
      const read = () => readFile(join(site.nginx.dir, 'telling.log'), 'utf8');
      await expect.poll(read).toContain(url);
    },
    fixed: { server: 'access_log short.log postern buffer=4k flush=10ms;' },
    shut: async () => {},
  },
  'an error page that the snippet replaces': {
    found: [['error-page', 'error_page 401 404 /login.html;']],
    broken: {
      files: { '../www/login.html': 'log in' },
      server: 'root $files/../www;\nerror_page 401 404 /login.html;',
    },
    proof: async (site) =>
      expect((await answer(site, '/download/a.txt'))[1]).not.toContain('log in'),
    fixed: {
      files: { '../www/login.html': 'log in' },
      server: 'root $files/../www; error_page 401 404 /login.html;',
      edits: [['public', 'error_page 400 401 403', 'error_page 401 /login.html; error_page 403']],
    },
    shut: async (site) => expect(await answer(site, '/download/a.txt')).toEqual([401, 'log in']),
  },
  'a page for denials and errors that the snippet replaces': {
    found: [['error-page', 'error_page 403 500 502 503 504 /sorry.html;']],
    broken: {
      files: { '../www/sorry.html': 'sorry' },
      server: 'root $files/../www;\nerror_page 403 500 502 503 504 /sorry.html;',
      gate: strays(500, {}),
    },
    async proof(site) {
      const { status, text, header } = await site.ask('GET', '/download/a.txt');
      expect([status, text.includes('sorry'), header('retry-after')]).toEqual([503, false, '5']);
    },
    // As the doctor advises: without =503 it would be the 500 that nginx makes of it.
    fixed: {
      files: { '../www/sorry.html': 'sorry' },
      server: 'root $files/../www; error_page 403 500 502 503 504 /sorry.html;',
      gate: strays(500, {}),
      edits: [
        [
          'public',
          'error_page 400 401 403',
          'error_page 401 @postern_denied; error_page 403 /sorry.html; error_page 500 502 503 504 =503 /sorry.html; error_page 401',
        ],
      ],
    },
    shut: async (site) => expect(await answer(site, '/download/a.txt')).toEqual([503, 'sorry']),
  },
  'a limit_conn that replaces the limit of a token': {
    found: [['limit-conn', 'limit_conn own 100;']],
    broken: {
      http: 'limit_conn postern_connections 8; limit_conn_zone $remote_addr zone=own:1m;',
      server: 'limit_conn own 100;',
    },
    // test/nginx/limit-conn.test.ts shows that nginx then drops the limit.
    proof: async () => {},
    fixed: {
      http: 'limit_conn postern_connections 8; limit_conn_zone $remote_addr zone=own:1m;',
      locations: 'location / { limit_conn own 100; }',
    },
    shut: async () => {},
  },
};

test.each(Object.entries(TRAPS))('doctor --config reports: %s', (_, trap) => check(trap));
