import { expect, test } from 'vitest';
import { diagnosed } from './trap.ts';

/** A site with a gate, and other lines inside and outside its server block. */
function site({ server = 'listen 443 ssl;', http = '', main = '' }): string {
  return `${main}
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
}

function found(rule: string, text: string): (string | undefined)[] {
  return diagnosed(text)
    .filter((finding) => finding.rule === rule)
    .map(({ line }) => text.split('\n')[line - 1]);
}

test.each([
  ['listen 80;'],
  ['listen 8080 default_server;'],
  ['listen 0.0.0.0:80;'],
  ['listen [::]:80;'],
  ['listen files.example:80;'],
  ['listen *:80;\nlisten 443 ssl;'],
])('doctor --config reports plain HTTP: %s', (server) => {
  expect(found('plain-http', site({ server }))).toEqual([server.split('\n')[0]]);
});

test('doctor --config reports plain HTTP: a server block without listen', () => {
  expect(found('plain-http', site({ server: '' }))).toEqual(['server {']);
});

test.each([
  ['listen 443 ssl;'],
  ['listen 443 quic reuseport;\nlisten 443 ssl;'],
  ['listen 127.0.0.1:8080;'],
  ['listen [::1]:80;'],
  ['listen localhost:80;'],
  ['listen unix:/run/site.sock;'],
  ['listen 80 proxy_protocol;'],
  ['listen 80;\nset_real_ip_from 10.0.0.0/8;\nreal_ip_header X-Forwarded-For;'],
  ['listen 80;\nlisten 443 ssl;\nif ($scheme = http) { return 301 https://$host$request_uri; }'],
])('doctor --config reports no plain HTTP: %s', (server) => {
  expect(found('plain-http', site({ server }))).toEqual([]);
});

test('doctor --config reports no plain HTTP: a server block that only redirects', () => {
  const http = 'server { listen 80; return 301 https://$host$request_uri; }';
  expect(found('plain-http', site({ http }))).toEqual([]);
});

test.each([
  ['events { }', 'events { }'],
  ['events {\nworker_connections 768;\n}', 'worker_connections 768;'],
  ['events {\nworker_connections 4096;\n}', 'worker_connections 4096;'],
  ['worker_rlimit_nofile 1024;\nevents {\nworker_connections 1024;\n}', 'worker_connections 1024;'],
])('doctor --config reports too few descriptors: %j', (main, line) => {
  expect(found('descriptors', site({ main }))).toEqual([line]);
});

test.each([
  ['worker_rlimit_nofile 2048;\nevents { worker_connections 1024; }'],
  ['events { worker_connections 4096; }\nworker_rlimit_nofile 16384;'],
  // A part of a configuration has no events block.
  [''],
])('doctor --config reports no lack of descriptors: %j', (main) => {
  expect(found('descriptors', site({ main }))).toEqual([]);
});

test('doctor --config counts three descriptors for each download with cache.conf', () => {
  const main = 'worker_rlimit_nofile 2048;\nevents {\nworker_connections 1024;\n}';
  const http = 'map "" $postern_decisions { default postern_decisions; }';
  expect(found('descriptors', site({ main, http }))).toEqual(['worker_connections 1024;']);
  const enough = main.replace('2048', '3072');
  expect(found('descriptors', site({ main: enough, http }))).toEqual([]);
});

const upstream = (...servers: string[]) =>
  `upstream postern {\n${servers.map((server) => `server ${server};`).join('\n')}\nkeepalive 256;\n}`;

test.each([
  ['a:1', 'b:1'],
  ['a:1 max_fails=3', 'b:1 fail_timeout=1s'],
  ['a:1 max_fails=0 fail_timeout=1s', 'b:1 max_fails=1 fail_timeout=1s'],
])('doctor --config reports gates that one time-out disables: %s, %s', (...servers) => {
  const lines = servers.map((server) => `server ${server};`);
  expect(found('failover', site({ http: upstream(...servers) }))).toEqual(lines);
});

test.each([
  ['a:1 max_fails=3 fail_timeout=1s', 'b:1 max_fails=10 fail_timeout=2s'],
  ['a:1 max_fails=3 fail_timeout=1s', 'b:1 backup'],
  ['a:1'],
])('doctor --config does not report gates that stay enabled: %s, %s', (...servers) => {
  expect(found('failover', site({ http: upstream(...servers) }))).toEqual([]);
});

test.each([
  ['proxy_next_upstream_timeout 2s;', 'proxy_read_timeout 2s;', true],
  ['proxy_next_upstream_timeout 10;', 'proxy_connect_timeout 1s;', true],
  ['proxy_next_upstream_timeout 1500ms;', 'proxy_read_timeout 2;', true],
  ['proxy_next_upstream_timeout 4s;', 'proxy_read_timeout 2s;', false],
  ['proxy_next_upstream_timeout 0;', 'proxy_read_timeout 2s;', false],
  ['', '', false],
])(
  'doctor --config: proxy_next_upstream_timeout %s with proxy_read_timeout %s: %s',
  (next, read, is) => {
    const server = `listen 443 ssl;\n${next}\n${read}`;
    expect(found('failover', site({ server }))).toEqual(is ? [next] : []);
  },
);

test('doctor --config reports replaced headers, but not with add_header_inherit merge', () => {
  const server = (more: string) => `add_header Strict-Transport-Security max-age=1 always;
location ^~ /p/ { internal; limit_rate $postern_limit_rate; add_header A b; ${more} alias /srv/; }`;
  expect(found('add-header', site({ server: server('') }))).toEqual([
    'add_header Strict-Transport-Security max-age=1 always;',
  ]);
  expect(found('add-header', site({ server: server('add_header_inherit merge;') }))).toEqual([]);
});

test('doctor --config reports cache.conf without its folder', () => {
  const map = 'map "$a" $postern_decisions { volatile; default ""; 1 postern_decisions; }';
  const missing = (http: string) => diagnosed(site({ http })).map(({ seen }) => seen);
  const seen = 'cache.conf without a proxy_cache_path for the zone postern_decisions';
  expect(missing(map)).toContain(seen);
  const path = 'proxy_cache_path /run/postern-decisions keys_zone=postern_decisions:512k;';
  expect(missing(`${map}\n${path}`)).not.toContain(seen);
});
