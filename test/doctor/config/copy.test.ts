import { execFile, spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { diagnoseText } from '../../../doctor/config/diagnose.ts';
import { findTool } from '../../harness/tools.ts';
import { waitFor } from '../../harness/wait.ts';
import { program } from '../../support/cli/postern.ts';
import { writeFiles } from '../../support/files.ts';
import { folderForTest } from '../../support/for-test.ts';

// The doctor starts nginx with a copy of a configuration. These tests look at that nginx from outside.

/** A configuration that would reach for many things if nginx read it as it is. */
const GREEDY = `user www-data;
load_module modules/ngx_http_perl_module.so;
error_log /var/log/doctor-test/error.log;
events { worker_connections 64; }
http {
  access_log /var/log/doctor-test/access.log;
  resolver 192.0.2.53;
  proxy_cache_path /var/cache/doctor-test keys_zone=one:1m;
  upstream app { server app.invalid:8080; server 192.0.2.1; }
  server {
    listen 443 ssl; server_name a.example;
    ssl_certificate /etc/doctor-test/none.pem; ssl_certificate_key /etc/doctor-test/none.key; ssl_stapling on;
    root $top;
    location ^~ /files/ { deny all; }
    location /app/ { proxy_pass http://app; proxy_cache one; proxy_store /srv/doctor-test/$uri; }
    location /b/ { proxy_pass http://$host:81; mirror /app/; error_log syslog:server=192.0.2.2; }
    location /adm/ { auth_basic a; auth_basic_user_file /etc/doctor-test/passwords; }
  }
}
`;

async function greedySite() {
  const top = await folderForTest();
  await writeFiles(top, { 'files/a.txt': 'secret', 'www/a.html': '' });
  const text = `# configuration file ${join(top, 'nginx.conf')}:\n${GREEDY.replaceAll('$top', top)}`;
  await writeFile(join(top, 'dump'), text);
  return { top, words: ['doctor', '--config', join(top, 'dump'), '--protect', join(top, 'files')] };
}

async function environment() {
  const nginx = await findTool('nginx');
  return { ...process.env, ...nginx.env, PATH: `${dirname(nginx.path)}:${process.env.PATH}` };
}

const WRITES =
  /\b(?:open|openat|creat)\([^"]*"(?<opened>[^"]+)", [^)]*(?:O_WRONLY|O_RDWR|O_CREAT)|\b(?:mkdir|mkdirat|rename|renameat2?|link|linkat|symlinkat?|chmod|chown|fchownat|unlink|unlinkat|rmdir|truncate)\([^"]*"(?<changed>[^"]+)"/;

test('doctor --config: the copy of nginx writes, resolves and contacts nothing outside of its folder', async () => {
  const { top, words } = await greedySite();
  const strace = await findTool('strace');
  const trace = join(top, 'trace');
  const calls = 'trace=file,network,chmod,chown,fchown';
  const options = ['-f', '-e', calls, '-o', trace, process.execPath, program, ...words];
  const env = { ...(await environment()), ...strace.env };
  const { stdout } = await promisify(execFile)(strace.path, options, { env });
  expect(stdout).toMatch(/^✓ nothing found .* [1-9]\d* requests to a copy of this nginx/m);
  const lines = (await readFile(trace, 'utf8')).split('\n');
  expect(lines.filter((line) => /execve\(.*nginx/.test(line))).not.toEqual([]);
  const folder =
    /(\/\S*\/postern-doctor-\w{6})/.exec(
      lines.find((line) => line.includes('mkdir(')) ?? '',
    )?.[1] ?? 'none';
  const written = lines.flatMap((line) => {
    const { opened, changed } = WRITES.exec(line)?.groups ?? {};
    const path = opened ?? changed ?? folder;
    return path.startsWith(folder) || /^\/dev\/(null|tty)$/.test(path) || !path.startsWith('/')
      ? []
      : [line];
  });
  expect(written).toEqual([]);
  const contacted = lines.filter(
    (line) => /\bconnect\(|\bsendto\(|\bbind\(/.test(line) && !/AF_UNSPEC|NULL, 0/.test(line),
  );
  expect(contacted.filter((line) => /AF_INET|AF_NETLINK/.test(line))).toEqual([]);
  const sockets = contacted.flatMap((line) => /sun_path="([^"]+)"/.exec(line)?.[1] ?? []);
  expect(sockets.filter((path) => !path.startsWith(folder))).toEqual([]);
  expect(sockets.length).toBeGreaterThan(3);
  expect(existsSync(folder)).toBe(false);
});

const copies = () => readdirSync(tmpdir()).filter((name) => name.startsWith('postern-doctor-'));

test.each(['SIGINT', 'SIGTERM', 'SIGKILL'] as const)(
  'doctor --config: after %s neither nginx nor its folder remains',
  async (signal) => {
    const { words } = await greedySite();
    const before = new Set(copies());
    const child = spawn(process.execPath, [program, ...words], {
      env: await environment(),
      stdio: 'ignore',
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    const own = await waitFor(
      () => copies().find((name) => !before.has(name) && existsSync(join(tmpdir(), name, 'pid'))),
      { what: 'the copy' },
    );
    const folder = join(tmpdir(), own);
    const pid = Number(await readFile(join(folder, 'pid'), 'utf8'));
    child.kill(signal);
    await waitFor(() => !existsSync(folder) && !existsSync(`/proc/${pid}`), { what: 'the end' });
  },
);

test('doctor --config: without nginx the first line says that the verdicts are not proven', async () => {
  const { top } = await greedySite();
  const text = await readFile(join(top, 'dump'), 'utf8');
  const { ok, text: said } = await diagnoseText(text, '-', {
    protect: [join(top, 'files')],
    nginx: null,
  });
  expect([ok, said]).toEqual([
    false,
    expect.stringMatching(/^not proven: this machine has no nginx\n/),
  ]);
  await mkdir(join(top, 'none'));
});

/** What the doctor says of a site whose files have a second URL, if this line is in its server block. */
async function saidOf(line: string, nginx: { path: string; env?: NodeJS.ProcessEnv }) {
  const { top } = await greedySite();
  const text = `# configuration file ${join(top, 'nginx.conf')}:
events {} http { server { listen 80; ${line.replaceAll('$top', top)} } }`;
  return diagnoseText(text, '-', { protect: [join(top, 'files')], nginx });
}

test('doctor --config: a line that this nginx rejects is unknown, whatever the copy without it refuses', async () => {
  const nginx = await findTool('nginx');
  const { ok, text } = await saidOf(
    'root $top; location ^~ /files/ { deny all; } location /x/ { rewrite "(?<=/x+)/(.*)" /files/$1 break; }',
    nginx,
  );
  expect([ok, text]).toEqual([
    false,
    expect.stringMatching(/^\? .*: the nginx of this machine rejects this line/m),
  ]);
});

test('doctor --config: a file that a line names is unknown where the doctor cannot look', async () => {
  const { ok, text } = await saidOf(
    'location = /x { rewrite ^ /k/a.txt last; } location /k/ { internal; alias $top/files/; }',
    await findTool('nginx'),
  );
  expect([ok, text]).toEqual([
    false,
    expect.stringMatching(/^ {4}why: .* cannot see whether the folder has a file of this name/m),
  ]);
});

const CLOSED = 'root $top; location ^~ /files/ { deny all; }';

test.each([
  [
    'more URLs than it asks for',
    `location ~ ^/${'a?b?c?d?e?f?'.repeat(2)}$ { }`,
    'It has more URLs',
  ],
  [
    'only names that a regex matches',
    'location ~ /ok/a[.]txt$ { alias $top/files/a.txt; }',
    'files/ whose URL matches it at /ok/',
  ],
  ['copies by brotli_static', 'brotli_static on;', 'brotli_static on can lead to the files'],
])('doctor --config says so: %s', async (_, line, said) => {
  const { ok, text } = await saidOf(`${CLOSED} ${line}`, await findTool('nginx'));
  expect([ok, text]).toEqual([false, expect.stringMatching(new RegExp(said))]);
});

/** A shell script that runs nginx, after these lines. `$conf` is the configuration. */
async function nginxAfter(lines: string) {
  const { path, env } = await findTool('nginx');
  const script = join(await folderForTest(), 'nginx');
  await writeFile(script, `#!/bin/sh\nfor conf; do :; done\n${lines}\nexec '${path}' "$@"\n`);
  await chmod(script, 0o755);
  await chmod(dirname(script), 0o755);
  return { path: script, env };
}

test('doctor --config: an nginx that cannot know an address proves nothing', async () => {
  const nginx = await nginxAfter(
    `line=$(grep -nE '^(set_real_ip_from|real_ip_header)' "$conf" | head -1 | cut -d: -f1)
if [ -n "$line" ]; then echo "nginx: [emerg] unknown directive in $conf:$line" >&2; exit 1; fi`,
  );
  const { ok, text } = await saidOf(
    'root $top; location /files/ { allow 127.0.0.1; deny all; }',
    nginx,
  );
  expect([ok, text]).toEqual([
    false,
    expect.stringMatching(/^not proven: this nginx has no ngx_http_realip_module\n/),
  ]);
});

test('doctor --config: an nginx that starts slowly proves the same', async () => {
  const nginx = await nginxAfter('case "$*" in *-t*) ;; *) sleep 1;; esac');
  const { text } = await saidOf('root $top;', nginx);
  expect(text).toMatch(/^ {4}proof: curl /m);
});

/** A program in place of nginx, which accepts each configuration. The lines answer a request with `end(text)`. */
async function fakeNginx(answer: string) {
  const path = join(await folderForTest(), 'nginx');
  await writeFile(
    path,
    `#!${process.execPath}
if (process.argv.includes('-t')) process.exit();
const text = require('node:fs').readFileSync(process.argv.at(-1), 'utf8');
const server = require('node:net').createServer((socket) => {
  socket.on('error', () => {}).on('data', () => { ${answer} });
});
for (const [, path] of text.matchAll(/listen unix:([^; ]+)/g)) require('node:net').createServer(server.listeners('connection')[0]).listen(path);
`,
  );
  await chmod(path, 0o755);
  await chmod(dirname(path), 0o755);
  return { path };
}

test.each([
  ['never starts', 'none', 'the copy did not start'],
  ['dies while it is asked', 'process.exit()', ''],
  [
    'sends no file at all',
    "socket.write('HTTP/1.1 404 Not Found\\r\\nContent-Length: 0\\r\\n\\r\\n')",
    'the copy does not send a file that it must send',
  ],
])('doctor --config: an nginx that %s proves nothing', async (_, answer, reason) => {
  const nginx =
    answer === 'none'
      ? await nginxAfter('case "$*" in *-t*) ;; *) exit 1;; esac')
      : await fakeNginx(answer);
  // The reading of the doctor finds no way.
  const { ok, text } = await saidOf('root $top; return 404;', nginx);
  expect([ok, text]).toEqual([false, expect.stringMatching(`^not proven: ${reason}`)]);
  expect(text).toMatch(/^\? .* could serve the files of /m);
});
