import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { Nginx } from '../../harness/nginx.ts';
import { nginxFolder } from '../../harness/nginx-conf.ts';
import { textOf } from '../../harness/paths.ts';
import { diagnosed, dumpOf, type Finding } from '../../support/doctor/trap.ts';
import { mount } from '../../support/postern.ts';

// The doctor judges the outer and the inner server block of nginx/examples/slices.conf as one way.

const EXAMPLE = textOf('nginx/examples/slices.conf');
const LOCATION = 'location ^~ /download/ {\n        include postern/slices.conf;';
const PASS = 'proxy_pass http://unix:/run/nginx-slices/files.sock;';
const LISTEN = 'listen unix:/run/nginx-slices/files.sock backlog=4096;';
const INNER = `${LISTEN}\n    server_name files.example;`;
const KNOWN = { mounts: [mount('/download/', '/protected/')] };

const conf = (text: string) => `http {\n${text}\n}\n`;

/** What the doctor finds, and the lines of nginx.conf. The sockets are in a folder of this mode. */
async function diagnose(text: string, { mode = 0o700, slices = '' } = {}) {
  const dir = await nginxFolder();
  onTestFinished(() => rm(dir, { recursive: true }));
  await mkdir(join(dir, 'sockets'));
  await chmod(join(dir, 'sockets'), mode);
  const main = text.replaceAll('/run/nginx-slices', join(dir, 'sockets'));
  await writeFile(join(dir, 'nginx.conf'), main);
  if (slices) await writeFile(join(dir, 'postern/slices.conf'), slices);
  const found = await diagnosed(await dumpOf({ nginx: { dir } as Nginx }), KNOWN);
  return found
    .filter(({ rule }) => !/^(jit|unavailable)$/.test(rule))
    .map((one) => ({
      ...one,
      fix: one.fix.replace(join(dir, 'sockets'), '/run/nginx-slices'),
      text: `${one.rule} ${text.split('\n')[one.line - 1]?.trim()}`,
    }));
}

/** The lines of nginx.conf after the change that a finding prints. */
function repair(lines: readonly string[], { line, fix }: Finding): readonly string[] {
  const [, to] = /^instead of this line: ([^()]+)/.exec(fix) ?? [];
  const [, number, added = ''] = /^in .*nginx\.conf:(\d+)\): (.*)$/.exec(fix) ?? [];
  const at = Number(number ?? line) - 1;
  const here = to ?? (number ? `${lines[at]}${added}` : '');
  return lines.with(at, here);
}

/** A second site, with the same blocks. */
const second = (text: string) => {
  const site = text.slice(text.indexOf('# Requesters reach'));
  const own = site.replaceAll('files.example', 'media.example').replaceAll('files.sock', 'm.sock');
  return `${text}\n${own}`;
};

test.each<[string, (text: string) => string]>([
  ['the example', (text) => text],
  ['two sites', second],
  ['another address and TLS', (text) => text.replace('127.0.0.1:8080', '443 ssl')],
  ['an `if`', (text) => text.replace(PASS, `if ($arg_a) { set $b 1; } ${PASS}`)],
  [
    'an upstream',
    (text) =>
      `upstream in { server unix:/run/nginx-slices/files.sock; }\n${text.replace(PASS, 'proxy_pass http://in;')}`,
  ],
])('doctor --config, slices: nothing found in %s', async (_, edit) => {
  expect(await diagnose(conf(edit(EXAMPLE)))).toEqual([]);
});

// The rule, and the line that it names. All fixes together lead to a site in which the doctor finds nothing.
test.each<[string, (text: string) => string, string[]]>([
  [
    'an inner block on an address',
    (text) =>
      text.replace(LISTEN, 'listen 8090;').replace(PASS, 'proxy_pass http://127.0.0.1:8090;'),
    ['slices proxy_pass http://127.0.0.1:8090;', 'slices listen 8090;'],
  ],
  [
    'an inner block on loopback',
    (text) =>
      text
        .replace(LISTEN, 'listen 127.0.0.1:8090;')
        .replace(PASS, 'proxy_pass http://127.0.0.1:8090;'),
    ['slices proxy_pass http://127.0.0.1:8090;', 'slices listen 127.0.0.1:8090;'],
  ],
  [
    'an address beside the socket',
    (text) => text.replace(LISTEN, `${LISTEN}\nlisten 8090;`),
    ['slices listen 8090;'],
  ],
  [
    'another header than that of slices.conf',
    (text) => text.replace(PASS, `proxy_set_header x-real-ip $http_x_real_ip;\n${PASS}`),
    ['slices proxy_set_header x-real-ip $http_x_real_ip;'],
  ],
  [
    'the decision for the requester',
    (text) => text.replace(PASS, `proxy_pass_header Postern-Decision;\n${PASS}`),
    ['slices proxy_pass_header Postern-Decision;'],
  ],
  [
    'a URI in proxy_pass',
    (text) => text.replace(PASS, 'proxy_pass http://unix:/run/nginx-slices/files.sock:/download/;'),
    ['slices proxy_pass http://unix:/run/nginx-slices/files.sock:/download/;'],
  ],
  [
    'a rewrite',
    (text) => text.replace(PASS, `rewrite ^/download/a /download/b break;\n${PASS}`),
    ['slices rewrite ^/download/a /download/b break;'],
  ],
  [
    'other names',
    (text) => text.replace(INNER, `${LISTEN}\nserver_name other.example;`),
    ['slices server_name other.example;'],
  ],
  [
    'no slices.conf',
    (text) => text.replace('include postern/slices.conf;', ''),
    ['missing-snippet location ^~ /download/ {'],
  ],
  [
    'no inner.conf',
    (text) => text.replaceAll('include postern/inner.conf;', ''),
    ['missing-snippet server {', 'missing-snippet location ^~ /protected/ {'],
  ],
  [
    'no ^~',
    (text) => text.replace(LOCATION, LOCATION.replace('^~ ', '')),
    ['missing-caret location /download/ {'],
  ],
  [
    'early data',
    (text) => text.replace('127.0.0.1:8080;', '443 ssl;\nssl_early_data on;'),
    ['early-data ssl_early_data on;'],
  ],
  [
    'an address that requesters choose',
    (text) => text.replace('listen 127', 'set_real_ip_from 0.0.0.0/0;\nlisten 127'),
    ['real-ip set_real_ip_from 0.0.0.0/0;'],
  ],
  [
    'a mirror',
    (text) => text.replace('listen 127', 'mirror /m;\nlisten 127'),
    ['inherited mirror /m;'],
  ],
])('doctor --config, slices: finds %s', async (_, edit, expected) => {
  const text = conf(edit(EXAMPLE));
  const found = await diagnose(text);
  expect(found.map(({ text }) => text).sort()).toEqual(expected.sort());
  expect(found.every(({ verdict }) => verdict === 'failed')).toBe(true);
  const repaired = found.reduce(repair, text.split('\n'));
  expect(await diagnose(repaired.join('\n'))).toEqual([]);
});

test.each<[string, (text: string) => string, RegExp]>([
  [
    'another block on the socket',
    (text) => `${text}\nserver { ${LISTEN} server_name b.example; access_log off; }`,
    /has the same listen as the inner/,
  ],
  [
    'a nested location',
    (text) => text.replace(PASS, `location ~ pdf$ { expires 1h; }\n${PASS}`),
    /location ~ pdf\$ inside location/,
  ],
  ['plain HTTP', (text) => text.replace('127.0.0.1:8080;', '80;'), /is served over plain HTTP/],
  [
    'a second way to the inner block',
    (text) =>
      `${text}\nserver { listen 443 ssl; server_name b.example; access_log off; location ^~ /b/ { if ($arg_a) { ${PASS} } } }`,
    /location \^~ \/b\/ does not include postern\/slices\.conf/,
  ],
  [
    'a server block with the same name above it',
    (text) =>
      text.replace(
        '# Requesters',
        'server { listen 127.0.0.1:8080; server_name files.example; }\n# Requesters',
      ),
    /have the same listen and server_name/,
  ],
  [
    'a block outside of the configuration',
    (text) => text.replace(PASS, 'proxy_pass http://unix:/run/other.sock;'),
    /proxy_pass http:\/\/unix:\/run\/other\.sock in location/,
  ],
])('doctor --config, slices: also finds %s', async (_, edit, seen) => {
  const found = await diagnose(conf(edit(EXAMPLE)));
  expect(found.map((one) => one.seen).join('\n')).toMatch(seen);
});

test('doctor --config, slices: finds a stream server that leads to the inner block', async () => {
  const stream =
    'stream { server { listen 9000;\nproxy_pass unix:/run/nginx-slices/files.sock; } }\n';
  const found = await diagnose(stream + conf(EXAMPLE));
  expect(found.map(({ rule, line }) => [rule, line])).toEqual([['slices', 2]]);
});

test.each(['Postern-Started', 'X-Real-IP', 'Range'])(
  'doctor --config, slices: finds a slices.conf that does not send %s',
  async (header) => {
    const text = textOf('nginx/snippets/slices.conf');
    const edited = text.replace(new RegExp(`proxy_set_header ${header} [^;]+;`), '');
    const found = await diagnose(conf(EXAMPLE), { slices: edited });
    expect(found.map(({ rule }) => rule)).toEqual(['edited-snippet']);
  },
);

test.each([
  [0o700, []],
  [0o710, ['question']],
  [0o750, ['question']],
  [0o755, ['failed']],
])(
  'doctor --config, slices: with the socket in a folder of mode %o: %j',
  async (mode, verdicts) => {
    const found = await diagnose(conf(EXAMPLE), { mode });
    expect(found.map(({ verdict }) => verdict)).toEqual(verdicts);
    expect(found.every(({ rule }) => rule === 'slices')).toBe(true);
  },
);
