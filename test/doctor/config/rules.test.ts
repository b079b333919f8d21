import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Known } from '../../../doctor/config/site.ts';
import { projectRoot } from '../../harness/paths.ts';
import { diagnosed } from '../../support/doctor/trap.ts';
import { mount } from '../../support/postern.ts';

// Rules that the text of a configuration shows.

interface Parts {
  readonly server?: string;
  readonly http?: string;
  readonly main?: string;
  /** Lines for the public location. */
  readonly inside?: string;
}

/** The lines that a rule names in a site with a gate, and other lines in and around its server block. */
async function found(
  rule: string,
  { server = 'listen 443 ssl;', http = '', main = '', inside = '' }: Parts,
  known: Known = {},
) {
  const text = `${main}
http {
${http}
server {
${server}
access_log off;

location = /.postern/auth-request { internal; proxy_pass http://postern/auth-request; }
location ^~ /download/ { ${inside} auth_request /.postern/auth-request; try_files "" @postern_deliver; }
}
}
`;
  return (await diagnosed(text, known))
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
])('doctor --config, plain-http: of %j it reports %j', async (server, line) => {
  expect(await found('plain-http', { server })).toEqual(line === undefined ? [] : [line]);
  const http = `server { listen 80; ${REDIRECT} }`;
  expect(await found('plain-http', { server, http })).toEqual(line === undefined ? [] : [line]);
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
])('doctor --config, descriptors: of %j with %j it reports %j', async (main, http, line) => {
  const expected = line === undefined ? [] : [expect.stringContaining(line)];
  expect(await found('descriptors', { main, http })).toEqual(expected);
});

test.each([
  ['events { }', 'events { }'],
  ['events { }\npcre_jit off;', 'pcre_jit off;'],
  ['events { }\npcre_jit on;', undefined],
  ['', undefined],
])('doctor --config, jit: of %j it reports %j', async (main, line) => {
  expect(await found('jit', { main })).toEqual(line === undefined ? [] : [line]);
});

test.each([
  [
    'worker_connections 8000;',
    'worker_rlimit_nofile 8192;',
    'worker_rlimit_nofile 32000; events { worker_connections 8000; }',
  ],
  [
    'worker_connections 768;',
    '',
    'worker_rlimit_nofile 16384; events { worker_connections 4096; }',
  ],
])('doctor --config never lowers %s %s', async (connections, limit, fix) => {
  const text = `${limit} events { ${connections} } http { server { } }`;
  expect((await diagnosed(text)).find(({ rule }) => rule === 'descriptors')).toMatchObject({
    fix,
    verdict: 'advice',
  });
});

const SNIPPETS = join(projectRoot, 'nginx/snippets');
const snippets = new Map(
  readdirSync(SNIPPETS).map((name) => [name, readFileSync(join(SNIPPETS, name), 'utf8')] as const),
);

/** Findings about snippets, of which one has another text. */
async function editedWith(name: string, text: string) {
  const files = [...new Map([...snippets, [name, text]])].map(
    ([one, content]) => `# configuration file /etc/nginx/postern/${one}:\n${content}\n`,
  );
  const includes = [...snippets.keys()].map((one) => `include postern/${one};`).join(' ');
  const main = `# configuration file /etc/nginx/nginx.conf:\nhttp { ${includes} }\n`;
  return (await diagnosed(main + files.join(''))).filter(({ rule }) => rule === 'edited-snippet');
}

test.each([...snippets])('doctor --config reports each line that %s lacks', async (name, text) => {
  expect(await editedWith(name, text)).toEqual([]);
  expect(
    await editedWith(
      name,
      text.replace(/^# (?!Postern|postern).*$/gm, '#').replace(/^ +(?=[a-z])/gm, ''),
    ),
  ).toEqual([]);
  const lines = text.split('\n');
  const file = `/etc/nginx/postern/${name}`;
  const whole = lines.flatMap((line, at) => (/^ *[a-z][^{}]*;$/.test(line) ? [at] : []));
  expect(whole).not.toEqual([]);
  for (const at of whole) {
    const without = lines.filter((_, index) => index !== at).join('\n');
    const [found, ...more] = await editedWith(name, without);
    expect([found?.file, more], lines[at]).toEqual([file, []]);
    expect(found?.seen).toMatch(/ was edited: it (lacks|has) /);
  }
  const more = await editedWith(name, `${text}\nset $postern_target /a;\n`);
  const line = lines.length + 1;
  const seen = `${name} was edited: it has set $postern_target /a;`;
  const fix = 'postern nginx --upgrade --out /etc/nginx';
  expect(more).toMatchObject([{ file, line, seen, fix }]);
});

test.each([
  ['0.0.0.0/0', true],
  ['0.0.0.0/1', true],
  ['128.0.0.0/7', true],
  ['::/0', true],
  ['2000::/3', true],
  // Private networks, and a large network of a CDN.
  ['10.0.0.0/8', false],
  ['172.16.0.0/12', false],
  ['fc00::/7', false],
  ['fe80::/10', false],
  ['104.16.0.0/13', false],
  ['2a06:98c0::/29', false],
  ['192.0.2.1', false],
  ['front.example', false],
  ['unix:', false],
])('doctor --config, real-ip: of %s it reports %s', async (range, is) => {
  const line = `set_real_ip_from ${range};`;
  const other = 'server { listen 81; set_real_ip_from 0.0.0.0/0; location / { root /var/www; } }';
  for (const parts of [{ http: line }, { server: `listen 443 ssl;\n${line}` }, { inside: line }]) {
    const lines = await found('real-ip', { ...parts, http: `${parts.http ?? ''}\n${other}` });
    expect(lines).toEqual(is ? [expect.stringContaining(line)] : []);
  }
});

const TLS = 'listen 443 ssl;';
// Early data can be replayed: RFC 8446, section 8.
test.each<[string, Parts, string?]>([
  ['early-data', { server: `${TLS}\nssl_early_data on;` }, 'ssl_early_data on;'],
  ['early-data', { server: `${TLS}\nssl_early_data on; if ($ssl_early_data) { return 425; }` }],
])('doctor --config, %s: of %j it reports %s', async (rule, parts, line) => {
  expect(await found(rule, parts)).toEqual(line === undefined ? [] : [line]);
});

const asks = (path: string) =>
  `location ^~ ${path} { auth_request /.postern/auth-request; try_files "" @postern_deliver; }`;
const keeps = (path: string) => `location ^~ ${path} { internal; set $postern_target a; }`;
const SITE = [asks('/download/'), keeps('/protected/')];
const MEDIA = [mount('/download/', '/protected/'), mount('/media/', '/protected/')];
const PRIVATE = [mount('/download/', '/private/')];
const OTHER = [mount('media.example:/download/', '/protected/')];
const NAMED = [mount('files.example:/download/', '/protected/')];
const OPEN = 'location /media/ { alias /srv/www/; }';

test.each([
  ['a public location lacks', MEDIA, 'files.example', SITE, ['server {']],
  ['a public location does not ask', MEDIA, 'files.example', [...SITE, OPEN], [OPEN]],
  ['all ask', MEDIA, 'files.example', [...SITE, asks('/media/')], []],
  ['two internals', PRIVATE, 'files.example', SITE, ['server {']],
  ['one internal', PRIVATE, 'files.example', [asks('/download/'), keeps('/private/')], []],
  ['another site', OTHER, 'files.example', SITE, ['http {', asks('/download/')]],
  ['both sites', OTHER, 'media.example files.example', SITE, []],
  ['a second name', NAMED, 'www.files.example files.example', SITE, ['server {']],
  ['a first name', NAMED, 'files.example www.files.example', SITE, []],
  ['a name with a dot', NAMED, '.files.example', SITE, []],
])(
  'doctor --config compares the mounts with the locations: %s',
  async (_, mounts, names, has, lines) => {
    const text = `http {\nserver {\nserver_name ${names};\n${has.join('\n')}\n}\n}`;
    const mismatches = (await diagnosed(text, { mounts })).filter(({ rule }) => rule === 'mounts');
    expect(mismatches.map(({ line }) => text.split('\n')[line - 1])).toEqual(lines);
  },
);

test('doctor --config reports a mount for a site that no server block has', async () => {
  const text = `http {\nserver {\nserver_name www.example;\n${SITE.join('\n')}\n}\n}`;
  const [first] = (await diagnosed(text, { mounts: NAMED })).filter(
    ({ rule }) => rule === 'mounts',
  );
  expect(first).toMatchObject({
    seen: 'the mount files.example:/download/=/protected/ names files.example, which is not the first name of a server block',
    fix: expect.stringContaining('server_name files.example;'),
  });
});

const FOLDER = 'proxy_cache_path /run/postern-decisions keys_zone=postern_decisions:512k;';

test('doctor --config reports cache.conf without its folder', async () => {
  const text = snippets.get('cache.conf') ?? '';
  expect(await found('cache-folder', { http: `${FOLDER}\n${text}` })).toEqual([]);
  const lines = [expect.stringMatching(/^map .* \$postern_decisions \{$/)];
  expect(await found('cache-folder', { http: text })).toEqual(lines);
});

test('doctor --config names the regex locations that nginx prefers', async () => {
  const server = 'location /files/ { internal; set $postern_target a; }\nlocation ~ \\.jpg$ { }';
  const seen = (
    await diagnosed(
      `server {\n${server}\n location ^~ /a/ { auth_request /.postern/auth-request; } }`,
    )
  )
    .filter(({ rule }) => rule === 'missing-caret')
    .map((finding) => finding.seen);
  expect(seen).toEqual(['location /files/ has no ^~: nginx prefers location ~ \\.jpg$ (-:3)']);
});

test.each([
  ['default $http_origin;', true],
  ['default "*";', true],
  ['null $http_origin;', true],
  ['default "";', false],
  ['https://app.example $http_origin;', false],
])('doctor --config reports %s in the map of CORS: %s', async (line, is) => {
  const http = `map $http_origin $postern_cors_origin {\n${line}\n}`;
  expect(await found('cors', { http })).toEqual(is ? [line] : []);
});

const GATE = { path: '/run/postern/gate.sock' };
const at = (port: number, host = '127.0.0.1') => ({ host, port });
const API = at(7301);

test.each<[string, Known, string?]>([
  ['server unix:/run/postern/gate.sock;', { listen: GATE, apiListen: API }],
  ['server 127.0.0.1:7300;', { listen: at(7300) }],
  ['server localhost:7300;', { listen: at(7300) }],
  ['server postern:7300;', { listen: at(7300, '0.0.0.0') }],
  ['server 10.0.0.1:7300;\nserver 10.0.0.2:7300;', { listen: at(7300, '10.0.0.2') }],
  ['server [::1]:7300;', { listen: at(7300, '::1') }],
  ['server 127.0.0.1:7301;', {}],
  ['server 127.0.0.1:7301;', { apiListen: API }, 'server 127.0.0.1:7301;'],
  ['server 127.0.0.1:7301;', { listen: GATE, apiListen: API }, 'server 127.0.0.1:7301;'],
  ['server 127.0.0.1:7300;', { listen: GATE, apiListen: API }, 'upstream postern {'],
  ['server 10.0.0.1:7300;', { listen: at(7300) }, 'upstream postern {'],
  ['server 127.0.0.1:7310;', { listen: at(7300) }, 'upstream postern {'],
])('doctor --config compares %s with the address of the gate: %j', async (servers, known, line) => {
  const http = `upstream postern {\n${servers}\n}`;
  expect(await found('gate-address', { http }, known)).toEqual(line === undefined ? [] : [line]);
});

test('doctor --config, exposed: a location publishes the gate by its socket', async () => {
  const line = 'location /gate/ { proxy_pass http://unix:/run/postern/gate.sock:/; }';
  expect(await found('exposed', { server: line }, { listen: GATE })).toEqual([line]);
});

test('doctor --config: a block outside of http that can serve files is a question', async () => {
  const line = 'rtmp { server { application a { play /srv/files; } } }';
  expect(await found('unknown', { main: `${line}\nworker_processes 2;` })).toEqual([line]);
});

test.each([
  ['proxy_pass unix:/run/postern/gate.sock;', true],
  ['proxy_pass 127.0.0.1:7301;', true],
  ['proxy_pass api;', true],
  ['proxy_pass $by_name;', true],
  ['proxy_pass $unknown;', true],
  ['proxy_pass $ssl_preread_server_name:7301;', true],
  ['proxy_pass $ssl_preread_server_name:443;', false],
  ['proxy_pass web;', false],
  ['proxy_pass $to_web;', false],
  ['return a;', false],
])(
  'doctor --config, exposed: a stream server with %s publishes the gate or the API: %s',
  async (line, is) => {
    const main = `stream {
map $ssl_preread_server_name $by_name { a.example api; default web; }
map $ssl_preread_server_name $to_web { a.example 127.0.0.1:8443; default web; }
upstream api { server localhost:7301; } upstream web { server 127.0.0.1:443; }
server { listen 9000;
${line}
} }`;
    expect(await found('exposed', { main }, { listen: GATE })).toEqual(is ? [line] : []);
  },
);

test.each([
  ['map $request $mine { default x; }', '$status $mine', '$mine'],
  ['map $status $mine { default x; }', '$status $mine', undefined],
  ['map $http_referer $mine { default x; }', `\${mine}`, '$mine'],
])('doctor --config cannot check a log format with %s', async (map, format, variable) => {
  const server = 'listen 443 ssl; access_log a.log own;';
  const text = `${map}\nlog_format own '${format}';\nserver { ${server}
    location ^~ /a/ { auth_request /.postern/auth-request; } }`;
  const questions = (await diagnosed(text)).filter(
    ({ rule, verdict }) => rule === 'log' && verdict === 'question',
  );
  const seen = `${variable} in the log format own may contain tokens`;
  expect(questions).toMatchObject(variable === undefined ? [] : [{ seen }]);
});
