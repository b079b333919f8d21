import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { httpOf, refuses } from '../../../doctor/config/context.ts';
import { parse } from '../../../doctor/config/parse.ts';
import { keepsConnections, versionIn } from '../../../doctor/config/version.ts';
import type { Mount } from '../../../service/site/mount.ts';
import { projectRoot } from '../../harness/paths.ts';
import { mount } from '../../support/postern.ts';
import type { Site } from '../../support/site.ts';
import { diagnosed, dumpOf, started } from './trap.ts';

// Rules that the text of a configuration shows.

interface Parts {
  readonly server?: string;
  readonly http?: string;
  readonly main?: string;
}

/** The lines that a rule names in a site with a gate, and other lines in and around its server block. */
function found(rule: string, { server = 'listen 443 ssl;', http = '', main = '' }: Parts) {
  const text = `${main}
http {
${http}
server {
${server}
access_log off;

location = /.postern/auth-request { internal; proxy_pass http://postern/auth-request; }
location ^~ /download/ { auth_request /.postern/auth-request; try_files "" @postern_deliver; }
}
}
`;
  return diagnosed(text)
    .filter((finding) => finding.rule === rule)
    .map(({ line }) => text.split('\n')[line - 1]);
}

const REDIRECT = 'return 301 https://$host$request_uri;';

test.each<[string, (string | undefined)?]>([
  ['listen 80;', 'listen 80;'],
  ['listen 8080 default_server;', 'listen 8080 default_server;'],
  ['listen 0.0.0.0:80;', 'listen 0.0.0.0:80;'],
  ['listen [::]:80;', 'listen [::]:80;'],
  ['listen files.example:80;', 'listen files.example:80;'],
  ['listen *:80;\nlisten 443 ssl;', 'listen *:80;'],
  ['', 'server {'],
  ['listen 443 ssl;'],
  ['listen 443 quic reuseport;\nlisten 443 ssl;'],
  ['listen 127.0.0.1:8080;'],
  ['listen [::1]:80;'],
  ['listen localhost:80;'],
  ['listen unix:/run/site.sock;'],
  ['listen 80 proxy_protocol;'],
  ['listen 80;\nset_real_ip_from 10.0.0.0/8;\nreal_ip_header X-Forwarded-For;'],
  [`listen 80;\nlisten 443 ssl;\nif ($scheme = http) { ${REDIRECT} }`],
])('doctor --config, plain-http: of %j it reports %j', (server, line) => {
  expect(found('plain-http', { server })).toEqual(line === undefined ? [] : [line]);
  const http = `server { listen 80; ${REDIRECT} }`;
  expect(found('plain-http', { server, http })).toEqual(line === undefined ? [] : [line]);
});

const CACHED = 'map "" $postern_decisions { default postern_decisions; }';

test.each([
  ['events { }', '', 'events { }'],
  ['events {\nworker_connections 768;\n}', '', 'worker_connections 768;'],
  ['events {\nworker_connections 4096;\n}', '', 'worker_connections 4096;'],
  ['worker_rlimit_nofile 1024;\nevents {\nworker_connections 1024;\n}', '', 'worker_connections'],
  ['worker_rlimit_nofile 2048;\nevents {\nworker_connections 1024;\n}', '', undefined],
  ['events { worker_connections 4096; }\nworker_rlimit_nofile 16384;', '', undefined],
  // A part of a configuration has no events block.
  ['', '', undefined],
  // With cache.conf, a download uses three descriptors.
  ['worker_rlimit_nofile 2048;\nevents {\nworker_connections 1024;\n}', CACHED, 'worker_conn'],
  ['worker_rlimit_nofile 3072;\nevents {\nworker_connections 1024;\n}', CACHED, undefined],
])('doctor --config, descriptors: of %j with %j it reports %j', (main, http, line) => {
  const expected = line === undefined ? [] : [expect.stringContaining(line)];
  expect(found('descriptors', { main, http })).toEqual(expected);
});

test.each([
  ['a:1', 'b:1', true],
  ['a:1 max_fails=3', 'b:1 fail_timeout=1s', true],
  ['a:1 max_fails=0 fail_timeout=1s', 'b:1 max_fails=1 fail_timeout=1s', true],
  ['a:1 max_fails=3 fail_timeout=1s', 'b:1 max_fails=10 fail_timeout=2s', false],
  ['a:1 max_fails=3 fail_timeout=1s', 'b:1 backup', false],
  ['a:1', '', false],
])('doctor --config: one time-out disables the gates %s and %s: %s', (a, b, is) => {
  const lines = [a, b].filter(Boolean).map((server) => `server ${server};`);
  const http = `upstream postern {\n${lines.join('\n')}\nkeepalive 256;\n}`;
  expect(found('failover', { http })).toEqual(is ? lines : []);
});

test.each([
  ['proxy_next_upstream_timeout 2s;', 'proxy_read_timeout 2s;', true],
  ['proxy_next_upstream_timeout 10;', 'proxy_connect_timeout 1s;', true],
  ['proxy_next_upstream_timeout 1500ms;', 'proxy_read_timeout 2;', true],
  ['proxy_next_upstream_timeout 4s;', 'proxy_read_timeout 2s;', false],
  ['proxy_next_upstream_timeout 0;', 'proxy_read_timeout 2s;', false],
  ['', '', false],
])('doctor --config: %s leaves no time after %s: %s', (next, read, is) => {
  const server = `listen 443 ssl;\n${next}\n${read}`;
  expect(found('failover', { server })).toEqual(is ? [next] : []);
});

async function connections(site: Site, requests: number): Promise<number> {
  let count = 0;
  const more = () => {
    count += 1;
  };
  site.gate.server.on('connection', more);
  for (let i = 0; i < requests; i += 1) await site.ask('GET', '/download/a.txt');
  site.gate.server.off('connection', more);
  return count;
}

test('doctor --config reports an upstream without keepalive', async () => {
  const site = await started({});
  expect(await connections(site, 5)).toBe(1);
  const text = await readFile(join(site.nginx.dir, 'nginx.conf'), 'utf8');
  await site.nginx.reload(() => text.replace(' keepalive 256;', ''));
  const dump = await dumpOf(site);
  const kept = keepsConnections(versionIn(dump));
  expect(await connections(site, 5)).toBe(kept ? 1 : 5);
  const lines = dump.slice(dump.indexOf('nginx.conf:')).split('\n');
  const line = lines.findIndex((one) => one.includes('upstream postern'));
  // Without the version, the doctor assumes an old nginx.
  const finding = { rule: 'keepalive', line };
  expect(diagnosed(dump)).toMatchObject(kept ? [] : [finding]);
  expect(diagnosed(dump.replace(/^nginx version: .*$/m, ''))).toMatchObject([finding]);
});

test('doctor --config reports replaced headers, but not with add_header_inherit merge', () => {
  const header = 'add_header Strict-Transport-Security max-age=1 always;';
  const server = (more: string) => `${header}
location ^~ /p/ { internal; limit_rate $postern_limit_rate; add_header A b; ${more} alias /srv/; }`;
  expect(found('add-header', { server: server('') })).toEqual([header]);
  expect(found('add-header', { server: server('add_header_inherit merge;') })).toEqual([]);
});

/** A snippet, with those that it includes. */
const snippet = (name: string): string =>
  readFileSync(join(projectRoot, 'nginx/snippets', name), 'utf8').replaceAll(
    /include postern\/(.+);/g,
    (_, inner) => snippet(inner),
  );

const CACHE_CONF = snippet('cache.conf');
const FOLDER = 'proxy_cache_path /run/postern-decisions keys_zone=postern_decisions:512k;';

test.each([
  ['', CACHE_CONF, []],
  ['its folder', CACHE_CONF.replace(/^/, '#'), [/^map .* \$postern_decisions \{$/]],
  ['a variable of its map', CACHE_CONF.replace('$http_purpose', ''), [/ \$postern_decisions \{$/]],
  ['the map of statuses', CACHE_CONF.replace('map $upstream_status', 'map a'), [/^map a /]],
  ['a whole map', CACHE_CONF.replace('$postern_not_kept', '$x'), [/^http \{$/]],
])('doctor --config reports cache.conf without %s', (what, text, lines) => {
  const http = what === 'its folder' ? text : `${FOLDER}\n${text}`;
  const expected = lines.map((line) => expect.stringMatching(line));
  expect(found('question', { http }).filter((line) => !line?.startsWith('location'))).toEqual(
    expected,
  );
});

test.each([
  ['', []],
  ['$cookie_postern_resume', ['proxy_cache own;']],
  ['$cookie_postern', []],
  [`\${cookie_postern}`, []],
  ['$http_cookie', []],
])('doctor --config: whether a cache key with %j has the cookie', (cookie, lines) => {
  const key = '$remote_addr$server_name$request_method$request_uri$http_authorization';
  const server = cookie && `proxy_cache own;\nproxy_cache_key "${key}${cookie}";`;
  const seen = found('question', { server }).filter((line) => line?.startsWith('proxy_cache'));
  expect(seen).toEqual(lines);
});

test.each(['@postern_deliver', '/.postern/page', '/.postern/POST', '@postern_failed'])(
  'doctor --config reports auth-request.conf without %s',
  (name) => {
    const whole = snippet('auth-request.conf');
    const without = whole.replace(new RegExp(`^ *location (.*)${name} `, 'm'), 'location /x ');
    const lines = (server: string) => found('missing-auth-request', { server }).length;
    expect([lines(whole), lines(without) > 0]).toEqual([0, true]);
  },
);

/** A server block with public and internal locations. */
function server(publics: readonly string[], internals: readonly string[]): string {
  const gates = publics.map(
    (path) =>
      `location ^~ ${path} { auth_request /.postern/auth-request; try_files "" @postern_deliver; }`,
  );
  const files = internals.map((path) => `location ^~ ${path} { internal; alias /srv${path}; }`);
  return `server {
    location = /.postern/auth-request { internal; proxy_pass http://postern/auth-request; }
    ${[...gates, ...files].join('\n')}
  }`;
}

const PUBLICS = ['/download/', '/vip/'];
const INTERNALS = ['/protected/', '/protected/vip/'];
const NESTED = [mount('/download/', '/protected/'), mount('/vip/', '/protected/vip/')];

test.each<[string, boolean, string[], (readonly Mount[])?]>([
  ['below that of another public location', true, [server(PUBLICS, INTERNALS)]],
  ['below another one, with one public location', false, [server(['/download/'], INTERNALS)]],
  [
    'nested like the public locations',
    false,
    [server(['/download/', '/vip/', '/download/vip/'], INTERNALS)],
  ],
  ['beside another one', false, [server(PUBLICS, ['/protected/', '/protected-vip/'])]],
  [
    'below one of another server block',
    false,
    [server(PUBLICS, ['/protected/']), server(PUBLICS, ['/protected/vip/'])],
  ],
  ['below another one, with known mounts', false, [server(PUBLICS, INTERNALS)], NESTED],
])('doctor --config: an internal location %s is reported: %s', (_, is, servers, mounts) => {
  const all = diagnosed(`http { ${servers.join('\n')} }`, mounts);
  expect(all.filter(({ rule }) => rule === 'nested-internal').map(({ seen }) => seen)).toEqual(
    is ? ['location ^~ /protected/vip/ is below location ^~ /protected/'] : [],
  );
});

test.each([
  ['if ($a = "x y") { return 403; }', 'x y', true],
  ['if ($a = x) { return 403; }', 'y', false],
  ['if ($a != x) { return 500; }', 'y', true],
  ['if ( $a != "x" ) { return 500; }', 'x', false],
  ['if ($a ~ "^(x|y)") { return 500; }', 'y', true],
  ['if ($a ~ X) { return 500; }', 'x', false],
  ['if ($a ~* X) { return 500; }', 'x', true],
  ['if ($a !~ x) { return 500; }', 'x', false],
  ['if ($a !~* x) { return 500; }', '', true],
  // Another variable, a block that does not reject, and a regex that JavaScript cannot parse.
  ['if ($b ~ x) { return 500; }', 'x', false],
  ['if ($a ~ x) { return 200; }', 'x', false],
  ['if ($a ~ x) { set $b 1; }', 'x', false],
  ['if ($a ~ "(?x)^ (?>x)") { return 500; }', 'x', true],
])('refuses: %s with $a = %j: %s', (text, value, refused) => {
  const root = parse(`server { location / { ${text} } }`, 'a.conf');
  const [location] = httpOf(root, 'a.conf').servers[0]?.locations ?? [];
  expect(location && refuses(location, { a: value })).toBe(refused);
});
