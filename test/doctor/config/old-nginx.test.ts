import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { diagnoseText } from '../../../doctor/config/diagnose.ts';
import { keepsConnections, versionIn } from '../../../doctor/config/version.ts';
import { diagnosed } from './trap.ts';

/** What `nginx -VT 2>&1` prints, with the snippets left out. */
const printed = (version: string, upstream = 'keepalive 256;') => `nginx version: ${version}
built by gcc 12.2.0 (Debian 12.2.0-14)
built with OpenSSL 3.0.11 19 Sep 2023
TLS SNI support enabled
configure arguments: --prefix=/etc/nginx --with-http_auth_request_module
nginx: the configuration file /etc/nginx/nginx.conf syntax is ok
nginx: configuration file /etc/nginx/nginx.conf test is successful
# configuration file /etc/nginx/nginx.conf:
events { worker_connections 4096; } worker_rlimit_nofile 16384;
http {
  upstream postern { server 127.0.0.1:7300; ${upstream} }
  server {
    listen 127.0.0.1:80;
    location = /.postern/auth-request { proxy_pass http://postern/auth-request; }
  }
}
`;

const rules = (text: string) => diagnosed(text).map(({ rule }) => rule);
const version = (text: string) =>
  diagnosed(printed(text)).filter((finding) => finding.rule === 'old-nginx');

test.each([
  ['nginx/1.18.0', 'proxy_cookie_flags'],
  ['nginx/1.20.2 (vendor build)', 'control characters'],
  ['openresty/1.21.4.3', 'not tested'],
])('doctor --config reports %s as too old', (old, why) => {
  const [finding, ...more] = version(old);
  expect(finding).toMatchObject({ line: 2, seen: old.split(' ')[0] });
  expect(finding?.why).toContain(why);
  expect(more).toEqual([]);
});

test.each(['nginx/1.22.0', 'nginx/1.26.3 (Ubuntu)', 'nginx/1.100.0', 'freenginx/1.27.1'])(
  'doctor --config accepts %s',
  (recent) => expect(version(recent)).toEqual([]),
);

test('doctor --config does not know the version if the input does not contain it', () => {
  expect(rules(printed('nginx/1.18.0').replace(/^nginx version: .*\n/, ''))).not.toContain(
    'old-nginx',
  );
});

test.each([
  ['nginx/1.29.6', false],
  ['nginx/1.29.7', true],
  ['nginx/1.31.4', true],
  ['nginx/2.0.0', true],
  ['openresty/1.31.1.1', true],
  ['freenginx/1.31.4', false],
])('keepsConnections: %s %s', (text, expected) => {
  expect(keepsConnections(versionIn(printed(text)))).toBe(expected);
});

test('doctor --config reads the output of Angie, before and after its messages', () => {
  const angie = readFileSync(new URL('angie.txt', import.meta.url), 'utf8');
  const start = angie.indexOf('# configuration file');
  const files = angie.slice(start);
  for (const text of [angie, files + angie.slice(0, start)]) {
    expect(rules(text)).toEqual(['no-gate', 'descriptors']);
    const version = versionIn(text);
    expect(version).toMatchObject({ text: 'nginx/1.31.2', product: 'Angie' });
    // Angie 1.12 has merged nginx 1.31, but not this default.
    expect(keepsConnections(version)).toBe(false);
  }
});

test('doctor --config quotes the error of nginx if nginx rejects the configuration', () => {
  const text = `nginx version: nginx/1.26.3
nginx: [emerg] unknown directive "a" in /etc/nginx/nginx.conf:1
nginx: configuration file /etc/nginx/nginx.conf test failed
`;
  expect(() => diagnoseText(text, '-', {})).toThrow(
    'standard input has only an error of nginx: unknown directive "a" in /etc/nginx/nginx.conf:1',
  );
});

test('doctor --config quotes an error in the error log without the process', () => {
  const text = '2026/11/26 12:26:55 [emerg] 6982#6982: "root" directive is duplicate in /a:1\n';
  expect(() => diagnoseText(text, '-', {})).toThrow(
    'standard input has only an error of nginx: "root" directive is duplicate in /a:1',
  );
});

test('doctor --config names the snippet that contains a missing line', () => {
  const text =
    'events {} http { server { location ^~ /download/ { auth_request /.postern/auth-request; } } }';
  const { findings } = JSON.parse(diagnoseText(text, 'nginx.conf', { json: true }).text);
  const fixes = findings.filter(({ rule }: { rule: string }) => rule === 'protect');
  expect(fixes).not.toEqual([]);
  for (const { fix } of fixes) expect(fix).toMatch(/ \(protect\.conf contains it\)$/);
});

test('doctor --config quotes the error of the shell if there is no nginx', () => {
  expect(() => diagnoseText('bash: line 1: nginx: command not found\n', '-', {})).toThrow(
    'standard input has no nginx configuration: bash: line 1: nginx: command not found',
  );
});
