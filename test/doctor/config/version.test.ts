import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { version } from '../../../common/package.ts';
import { diagnoseText } from '../../../doctor/config/diagnose.ts';
import { versionIn } from '../../../doctor/config/version.ts';
import { projectRoot } from '../../harness/paths.ts';
import { diagnosed } from '../../support/doctor/trap.ts';

/** What `nginx -VT 2>&1` prints, with the snippets left out. */
const printed = (product: string) => `nginx version: ${product}
built by gcc 12.2.0 (Debian 12.2.0-14)
built with OpenSSL 3.0.11 19 Sep 2023
TLS SNI support enabled
configure arguments: --prefix=/etc/nginx --with-http_auth_request_module
nginx: the configuration file /etc/nginx/nginx.conf syntax is ok
nginx: configuration file /etc/nginx/nginx.conf test is successful
# configuration file /etc/nginx/nginx.conf:
events { worker_connections 4096; } worker_rlimit_nofile 16384; pcre_jit on;
http {
  upstream postern { server 127.0.0.1:7300; keepalive 256; }
  server {
    listen 127.0.0.1:80;
    location = /.postern/auth-request { proxy_pass http://postern/auth-request; }
  }
}
`;

const ANGIE = `Angie version: Angie/1.12.1
nginx version: nginx/1.31.2
built on Thu, 26 Nov 2026 04:21:28 GMT
built by gcc 12.4.0 (Debian 12.4.0-5)
built with OpenSSL 3.5.9 29 Sep 2026
TLS SNI support enabled
configure arguments: --prefix=/etc/angie --with-http_auth_request_module
angie: the configuration file /etc/angie/angie.conf syntax is ok
angie: configuration file /etc/angie/angie.conf test is successful
# configuration file /etc/angie/angie.conf:
error_log off;
pid angie.pid;
events { }
http {
    server { listen 127.0.0.1:8099; server_name files.example; }
}
`;

const found = async (rule: string, text: string) =>
  (await diagnosed(text)).filter((finding) => finding.rule === rule);

test.each([
  ['nginx/1.20.2 (vendor build)', true],
  ['openresty/1.21.4.3', true],
  ['nginx/1.22.0', false],
  ['nginx/1.26.3 (Ubuntu)', false],
  ['nginx/1.100.0', false],
  ['freenginx/1.27.1', false],
])('doctor --config: %s is too old: %s', async (product, isOld) => {
  const seen = { line: 2, seen: product.split(' ')[0] };
  expect(await found('old-nginx', printed(product))).toMatchObject(isOld ? [seen] : []);
  // The input does not contain the version.
  const unknown = printed(product).replace(/^nginx version: .*\n/, '');
  expect(await found('old-nginx', unknown)).toEqual([]);
});

const HOLES = 'CVE-2026-118899 (TLS 1.3), CVE-2026-123007 and CVE-2026-123633 (HTTP/2)';
test.each([
  ['nginx/1.26.3', '443 ssl; http2 on', HOLES],
  ['nginx/1.30.6', '443 ssl http2', HOLES],
  [
    'nginx/1.31.8',
    '443 quic; resolver 127.0.0.1',
    'CVE-2026-121810 (HTTP/3), CVE-2026-123634 (resolver)',
  ],
  ['nginx/1.31.8', '80', undefined],
  ['nginx/1.30.7', '443 ssl; http2 on', undefined],
  ['nginx/1.31.9', '443 ssl; http2 on', undefined],
  ['nginx/1.32.0', '443 ssl; http2 on', undefined],
  ['openresty/1.27.1.2', '443 ssl; http2 on', undefined],
])('doctor --config: %s with listen %s can have %s', async (product, listen, holes) => {
  const gate = 'location ^~ /download/ { auth_request /.postern/auth-request; }';
  const text = printed(product).replace('127.0.0.1:80;', `${listen}; ${gate}`);
  const { findings } = JSON.parse((await diagnoseText(text, '-', { json: true })).text);
  const seen = findings.filter(({ rule }: { rule: string }) => rule === 'known-hole');
  expect(seen.map((one: { seen: string }) => one.seen)).toEqual(
    holes === undefined ? [] : [`${product} can have ${holes}`],
  );
});

test('doctor --config reads the output of Angie, before and after its messages', async () => {
  const start = ANGIE.indexOf('# configuration file');
  for (const text of [ANGIE, ANGIE.slice(start) + ANGIE.slice(0, start)]) {
    expect((await diagnosed(text)).map(({ rule }) => rule)).toEqual(['no-gate', 'descriptors']);
    expect(versionIn(text)).toMatchObject({ text: 'nginx/1.31.2', product: 'Angie' });
  }
});

const SAYS = 'only an error of nginx: unknown';
const LACKS = 'A server block lacks include postern/auth-request.conf;';

test.each([
  [
    'nginx version: nginx/1.26.3\nnginx: [emerg] unknown "a" in /n:1\nnginx: configuration file /n test failed\n',
    `${SAYS} "a" in /n:1`,
  ],
  // A line of the error log has the process.
  ['2026/11/26 12:26:55 [emerg] 6982#6982: unknown "a" in /n:1\n', `${SAYS} "a" in /n:1`],
  [
    'nginx: [emerg] unknown "postern_target" variable\n',
    `${SAYS} "postern_target" variable. ${LACKS}`,
  ],
  [
    'bash: line 1: nginx: command not found\n',
    'no nginx configuration: bash: line 1: nginx: command not found',
  ],
])('doctor --config quotes the error in %j', async (text, says) => {
  await expect(diagnoseText(text, '-', {})).rejects.toThrow(`standard input has ${says}`);
});

test('doctor --config names each missing snippet, its block, and lines that nginx would reject beside it', async () => {
  const gate = 'location ^~ /download/ { auth_request /.postern/auth-request; add_header A b; }';
  const all = await found('missing-snippet', `http {\nserver {\n${gate} } }`);
  const fixes = all.map(({ fix }) => fix);
  const include = (name: string) => `include postern/${name}.conf;`;
  expect(fixes).toEqual([
    `in location ^~ /download/ (-:3): ${include('protect')} instead of: auth_request /.postern/auth-request;`,
    `in server (-:2): ${include('auth-request')}`,
    `in http (-:1): ${include('http')}`,
  ]);
});

const snippet = (number: string) =>
  `# Postern: a snippet.\n# postern-version: ${number}\n#\n# Where: …\n`;

/** What the doctor says about snippets with these first lines. */
function foundIn(files: Readonly<Record<string, string>>) {
  const includes = Object.keys(files).map((name) => `include postern/${name}.conf;`);
  const texts = Object.entries(files).map(
    ([name, text]) => `# configuration file /etc/nginx/postern/${name}.conf:\n${text}`,
  );
  const main = `# configuration file /etc/nginx/nginx.conf:\nhttp { ${includes.join(' ')} }`;
  return found('version', [main, ...texts].join('\n\n'));
}

test.each<[string, Record<string, string>, object[]]>([
  ['current', { http: snippet(version()), internal: snippet(version()) }, []],
  [
    'older, once for all of a version',
    { local: '# Your settings\n', http: snippet('0.0.9'), internal: snippet('0.0.9') },
    [
      {
        file: '/etc/nginx/postern/http.conf',
        line: 2,
        seen: `this snippet and 1 more: version 0.0.9; Postern: ${version()}`,
        fix: 'postern nginx --upgrade --out /etc/nginx',
      },
    ],
  ],
  [
    'without a version',
    { http: '# Postern: a snippet without a version.\n' },
    [{ line: 1, seen: `this snippet: no version; Postern: ${version()}` }],
  ],
  [
    'newer than Postern',
    { http: snippet('0.10.0'), internal: snippet(version()) },
    [
      {
        seen: `this snippet: version 0.10.0; Postern: ${version()}`,
        fix: 'upgrade Postern to 0.10.0',
      },
    ],
  ],
])('doctor --config compares the version of snippets: %s', async (_, files, findings) => {
  expect(await foundIn(files)).toMatchObject(findings);
});

test('snippets: each has the version of package.json', async () => {
  const folder = join(projectRoot, 'nginx', 'snippets');
  const names = readdirSync(folder).filter((name) => name.endsWith('.conf'));
  expect(names.length).toBeGreaterThan(10);
  for (const name of names) {
    const lines = readFileSync(join(folder, name), 'utf8').split('\n');
    expect(lines[1], `${name}, line 2`).toBe(`# postern-version: ${version()}`);
  }
});
