import { readFileSync } from 'node:fs';
import { copyFile, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { diagnoseText } from '../../doctor/config/diagnose.ts';
import { program } from '../cli/nginx/machine.ts';
import { postern } from '../cli/postern.ts';
import { nginxArgs } from '../harness/nginx-conf.ts';
import { projectRoot } from '../harness/paths.ts';
import { tryRun } from '../harness/run.ts';
import { findTool } from '../harness/tools.ts';
import { waitFor } from '../harness/wait.ts';
import { issueToken, mount } from '../support/postern.ts';
import { dumpOf, type Finding } from './config/trap.ts';
import { type BrokenSite, CANARY, type Doctored, siteToAttack } from './site/site.ts';

// Each leak is shown on nginx. Then both forms of the doctor look at it, and the fix is made exactly as it is printed.

interface Leak {
  readonly broken: BrokenSite;
  /** Files and links below the folder that contains `files/` and `static/`. */
  readonly prepare?: (folder: string, site: Doctored) => Promise<unknown>;
  /** A URL that opens the file without a token, or whether something else leaks. */
  readonly leak: string | ((site: Doctored) => Promise<boolean>);
  /** The one rule of `--config`, or a part of what it names as not checked. */
  readonly config: string | RegExp;
  /** The first finding of the live form. Absent: it finds nothing. */
  readonly live?: string;
}

const FILE = 'postern-doctor/canary.txt';
const LOG = 'access_log postern.log postern;';
const GATE = 'include postern/protect.conf;';
const INTERNAL = 'include postern/internal.conf;\nalias $files/;';

/** A file in the protected folder, another than the canary. */
const add = (name: string) => async (folder: string) => {
  const to = join(folder, 'files', name);
  await mkdir(dirname(to), { recursive: true });
  await copyFile(join(folder, 'files', FILE), to);
};

/** Another file in each call: a cache keeps what it has. */
let count = 0;
async function opensAfterDownload(site: Doctored): Promise<boolean> {
  count += 1;
  await add(`${count}.txt`)(dirname(site.files));
  const path = `/download/${count}.txt`;
  const { url } = await issueToken(site.postern.api, { path });
  await get(site, url);
  return isOpen(site, path);
}

type Place = Pick<Doctored, 'url' | 'files'>;

async function get({ url }: Place, path: string, headers: Record<string, string> = {}) {
  return fetch(new URL(path, url), { headers, redirect: 'manual' });
}

async function isOpen(site: Place, path: string, headers?: Record<string, string>) {
  const canary = await readFile(join(site.files, FILE), 'utf8');
  return (await (await get(site, path, headers)).text()).includes(canary);
}

const NOBODY = '192.0.2.1';
const FRONT = `proxy_set_header Host files.example;
  proxy_set_header X-Forwarded-For $remote_addr;`;
const BEHIND = 'set_real_ip_from 127.0.0.1; real_ip_header X-Forwarded-For;';

const LEAKS: Readonly<Record<string, Leak>> = {
  'a regex location for .pdf before a public location without ^~': {
    broken: {
      gate: `location /download/ {\n${GATE}\n}`,
      locations: 'location ~ ^/download/(.*\\.pdf)$ { alias $files/$1; }',
    },
    prepare: add('secret.pdf'),
    leak: '/download/secret.pdf',
    config: 'missing-caret',
    live: 'regex-location',
  },
  'a regex location before an internal location without ^~': {
    broken: {
      inner: `location /protected/ {\n${INTERNAL}\n}`,
      locations: 'location ~ ^/protected/(.*)$ { alias $files/$1; }',
    },
    leak: `/protected/${FILE}`,
    config: 'missing-caret',
    live: 'internal-prefix',
  },
  'files below the root of the server block': {
    broken: { server: 'root $files/..;' },
    leak: `/files/${FILE}`,
    config: 'second-url',
    live: 'root',
  },
  'the folder of the files as a root': {
    broken: { locations: 'location / {\nroot $files;\n}' },
    leak: `/${FILE}`,
    config: 'second-url',
    live: 'root',
  },
  'a second location for the files': {
    broken: { locations: 'location /open/ {\nalias $files/;\n}' },
    leak: `/open/${FILE}`,
    config: 'second-url',
  },
  'a location with files below the public prefix': {
    broken: { locations: 'location ^~ /download/open/ {\nalias $files/open/;\n}' },
    prepare: add('open/a.txt'),
    leak: '/download/open/a.txt',
    config: 'second-url',
  },
  'a regex location with a root over the files': {
    broken: { locations: 'location ~ \\.txt$ {\nroot $files/..;\n}' },
    leak: `/files/${FILE}`,
    config: 'second-url',
    live: 'root',
  },
  'a named location with a root over the files': {
    broken: {
      locations: `location / { root $files/../static; try_files $uri @old; }
        location @old {\nroot $files/..;\n}`,
    },
    leak: `/files/${FILE}`,
    config: 'second-url',
    live: 'root',
  },
  'another server block with a root over the files': {
    broken: {
      http: 'server {\nlisten 127.0.0.1:$front;\nserver_name old.example;\nroot $files/..;\n}',
    },
    leak: ({ files, nginx }) =>
      isOpen({ files, url: `http://127.0.0.1:${nginx.ports[1]}/` }, `/files/${FILE}`),
    config: 'second-url',
  },
  'an application in the same nginx with a root over the files': {
    broken: {
      http: 'server {\nlisten unix:$dir/app.sock;\nroot $files/..;\n}',
      locations: 'location /app/ { proxy_pass http://unix:$dir/app.sock:/; }',
    },
    leak: `/app/files/${FILE}`,
    config: 'second-url',
  },
  'a rewrite to the files': {
    broken: {
      locations: 'location /dl/ {\nrewrite ^/dl/(.*)$ /files/$1 break;\nroot $files/..;\n}',
    },
    leak: `/dl/${FILE}`,
    config: 'second-url',
  },
  'try_files with the folder of the files': {
    broken: {
      locations: 'location ~ ^/pub/(.*)$ {\nroot $files/..;\ntry_files /files/$1 =404;\n}',
    },
    leak: `/pub/${FILE}`,
    config: 'second-url',
  },
  'a symbolic link below another root': {
    broken: { server: 'root $files/../static;' },
    prepare: (folder) => symlink(join(folder, 'files'), join(folder, 'static', 'ln')),
    leak: `/ln/${FILE}`,
    config: 'second-url',
  },
  'several symbolic links below another root': {
    broken: { locations: 'location / {\nroot $files/../static;\n}' },
    async prepare(folder) {
      await mkdir(join(folder, 'static', 'deep'));
      await symlink('../files/postern-doctor', join(folder, 'static', 'a'));
      await symlink('../../files', join(folder, 'static', 'deep', 'b'));
    },
    leak: `/deep/b/${FILE}`,
    config: 'second-url',
  },
  'a symbolic link to one file': {
    broken: { server: 'root $files/../static;' },
    prepare: (folder) => symlink(join(folder, 'files', FILE), join(folder, 'static', 'a b.txt')),
    leak: '/a%20b.txt',
    config: 'second-url',
  },
  'a root that is a symbolic link': {
    broken: { server: 'root $dir/slink;' },
    prepare: (folder, { nginx }) => symlink(folder, join(nginx.dir, 'slink')),
    leak: `/files/${FILE}`,
    config: 'second-url',
    live: 'root',
  },
  'a symbolic link to a folder above it': {
    broken: { server: 'root $files/../static;' },
    prepare: (folder) => symlink(folder, join(folder, 'static', 'up')),
    leak: `/up/static/up/files/${FILE}`,
    config: 'second-url',
  },
  'a symbolic link behind a symbolic link': {
    broken: { server: 'root $files/../static;' },
    async prepare(folder) {
      await mkdir(join(folder, 'other'));
      await symlink('../files', join(folder, 'other', 'b'));
      await symlink('../other', join(folder, 'static', 'a'));
    },
    leak: `/a/b/${FILE}`,
    config: /links below \S+\/other, to which \S+\/static\/a leads/,
  },
  'a root with a variable': {
    broken: { http: 'map $host $folder { default $files/..; }', server: 'root $folder;' },
    leak: `/files/${FILE}`,
    config: /files below root \$folder \(\S+:\d+\)/,
    live: 'root',
  },
  'a root in an if': {
    broken: { locations: 'location / { if ($arg_x = "") { root $files/..; } }' },
    leak: `/files/${FILE}`,
    config: /files below root \S+\/files\/\.\. \(\S+:\d+\)/,
    live: 'root',
  },
  'an alias without its slash': {
    broken: { locations: 'location /static {\nalias $files/../static/;\n}' },
    leak: `/static../files/${FILE}`,
    config: 'alias-slash',
    live: 'alias-slash',
  },
  'an internal location without internal.conf': {
    broken: { inner: 'location ^~ /protected/ {\nalias $files/;\n}' },
    leak: `/protected/${FILE}`,
    config: 'missing-snippet',
    live: 'internal-prefix',
  },
  'an SSI page, and an internal location that is only internal': {
    broken: {
      inner: 'location ^~ /protected/ {\ninternal;\nautoindex off;\nalias $files/;\n}',
      locations: 'location = /page.html { ssi on; root $files/../static; }',
    },
    prepare: (folder) =>
      writeFile(join(folder, 'static/page.html'), `<!--#include virtual="/protected/${FILE}" -->`),
    leak: '/page.html',
    config: 'missing-snippet',
    live: 'folder-redirect',
  },
  'a location inside the public location': {
    broken: {
      mode: 'X-Accel',
      gate: `location ^~ /download/ {
        include postern/x-accel.conf;
        location ~ ^/download/(?<below>.*\\.txt)$ {
          alias $files/$below;
        }
      }`,
    },
    leak: CANARY,
    config: 'nested',
    live: 'no-token',
  },
  'an error page for denials that serves files': {
    broken: {
      gate: `location ^~ /download/ {\nerror_page 401 = @open;\n${GATE}\n}`,
      locations: 'location @open { root $files/../static; }',
    },
    async prepare(folder) {
      await mkdir(join(folder, 'static/download/postern-doctor'), { recursive: true });
      await copyFile(join(folder, 'files', FILE), join(folder, 'static', CANARY));
    },
    leak: CANARY,
    config: 'error-page',
    live: 'no-token',
  },
  'a cache in front, in the same nginx': {
    broken: {
      http: 'proxy_cache_path $dir/cache keys_zone=c:1m;',
      server: BEHIND,
      front: `${FRONT}
        location / {
          proxy_pass http://127.0.0.1:$port;
          proxy_cache c;
          proxy_cache_key $uri;
          proxy_cache_valid 200 1m;
          proxy_ignore_headers Cache-Control Set-Cookie Expires;
        }`,
    },
    leak: opensAfterDownload,
    config: 'cache-in-front',
    live: 'cached-delivery',
  },
  'files that a location in front stores': {
    broken: {
      http: 'upstream site { server 127.0.0.1:$port; }',
      server: BEHIND,
      front: `${FRONT}
        root $dir/kept;
        location / { try_files $uri @site; }
        location @site {
          proxy_pass http://site;
          proxy_store on;
        }`,
    },
    leak: opensAfterDownload,
    config: 'cache-in-front',
    live: 'cached-delivery',
  },
  'an address that the client chooses': {
    broken: { server: 'set_real_ip_from 0.0.0.0/0;\nreal_ip_header X-Forwarded-For;' },
    async leak(site) {
      const { url } = await issueToken(site.postern.api, { path: CANARY, ip: [NOBODY] });
      return isOpen(site, url, { 'X-Forwarded-For': NOBODY });
    },
    config: 'real-ip',
    live: 'spoofed-address',
  },
  'CORS for every origin': {
    broken: {
      http: 'map $http_origin $postern_cors_origin {\ndefault $http_origin;\n}',
      server: 'include postern/cors-headers.conf;',
    },
    async leak(site) {
      const { access_token: token } = await issueToken(site.postern.api, { path: CANARY });
      const headers = { Cookie: `postern=${token}`, Origin: 'https://evil.example' };
      const answer = await get(site, CANARY, headers);
      return answer.headers.get('access-control-allow-origin') === 'https://evil.example';
    },
    config: 'cors',
  },
  'an edited snippet': {
    broken: {},
    async prepare(_, { nginx }) {
      const path = join(nginx.dir, 'postern', 'gate.conf');
      const lines = /^proxy_pass_request_headers off;$|^proxy_set_header Postern-Site .*$/gm;
      await writeFile(path, (await readFile(path, 'utf8')).replace(lines, ''));
      await nginx.reload();
    },
    async leak(site) {
      const other = 'other.example';
      const { access_token: token } = await issueToken(site.postern.api, {
        path: CANARY,
        site: other,
      });
      return isOpen(site, `${CANARY}?token=${token}`, { 'Postern-Site': other });
    },
    config: 'edited-snippet',
    live: 'spoofed-site',
  },
  'tokens in the access log': {
    broken: { server: 'access_log own.log combined;' },
    async leak(site) {
      const { url } = await issueToken(site.postern.api, { path: CANARY });
      const log = () => readFile(join(site.nginx.dir, 'own.log'), 'utf8');
      const before = (await log()).length;
      await get(site, url);
      await waitFor(async () => (await log()).length > before, { what: 'the log' });
      return (await log()).slice(before).includes('token=ps_');
    },
    config: 'log',
    live: 'access-log',
  },
};

const MOUNTS = [mount('/download/', '/protected/')];

async function diagnosis(site: Doctored) {
  const dump = await dumpOf(site);
  const { findings } = JSON.parse(diagnoseText(dump, '-', { mounts: MOUNTS, json: true }).text);
  const { text } = diagnoseText(dump, '-', { mounts: MOUNTS });
  return { findings: findings as Finding[], text, last: text.trimEnd().split('\n').at(-1) };
}

test.concurrent.for(Object.entries(LEAKS))('doctor, a leak: %s', async ([, leak], context) => {
  const { server = '' } = leak.broken;
  const own = server.includes('access_log') ? server : `${LOG}\n${server}`;
  const broken = { accessLog: '', ...leak.broken, server: own };
  const site = await siteToAttack(broken, context.onTestFinished);
  await leak.prepare?.(dirname(site.files), site);
  const leaks = () => (typeof leak.leak === 'string' ? isOpen(site, leak.leak) : leak.leak(site));
  expect(await leaks()).toBe(true);

  const log = join(site.nginx.dir, server.includes('own.log') ? 'own.log' : 'postern.log');
  const { verdicts, stdout } = await site.examine('--decision-ttl', '0', '--access-log', log);
  const failed = Object.keys(verdicts).filter((id) => verdicts[id] === 'failed');
  expect(failed[0], stdout).toBe(leak.live);
  expect(JSON.parse(stdout).not_checked).not.toEqual([]);

  const { findings, text, last } = await diagnosis(site);
  expect(last).toMatch(/^not checked: .*caches/);
  if (leak.config instanceof RegExp) {
    expect([findings, text]).toEqual([[], expect.stringMatching(/^– nothing found/)]);
    expect(last).toMatch(leak.config);
    return;
  }
  expect(
    findings.map(({ rule }) => rule),
    text,
  ).toEqual([leak.config]);
  await Promise.all(findings.map(apply));
  const { path, env } = await findTool('nginx');
  const { ok, output } = await tryRun(path, ['-t', ...nginxArgs(site.nginx.dir)], env);
  expect(ok, `${findings[0]?.fix}\n${output}`).toBe(true);
  await site.nginx.reload();
  expect(await leaks(), findings[0]?.fix).toBe(false);
  // The fix does not close the site.
  const { url } = await issueToken(site.postern.api, { path: CANARY });
  expect(await isOpen(site, url)).toBe(true);
  expect((await diagnosis(site)).findings).toEqual([]);
});

test('doctor: how many leaks each form finds', () => {
  const all = Object.values(LEAKS);
  const found = all.filter(({ config }) => typeof config === 'string');
  const live = all.filter(({ live }) => live !== undefined);
  expect([all.length, found.length, live.length]).toEqual([31, 28, 19]);
  const page = readFileSync(join(projectRoot, 'docs/operate/doctor.md'), 'utf8');
  expect(page.replaceAll('\n', ' ')).toContain(
    'builds 31 leaks in nginx: `--config` finds 28 and names the other 3, the form below finds 19,',
  );
});

/** Makes the change that a fix prints. */
async function apply({ file, line, fix }: Finding): Promise<void> {
  const [, command] = /^(postern .*)$/.exec(fix) ?? [];
  if (command !== undefined) {
    const dir = dirname(dirname(file));
    const { path, env } = await findTool('nginx');
    await program(join(dir, 'bin/nginx'), `exec '${path}' -e ${dir}/error.log -p ${dir} "$@"`);
    const more = { env: { ...env, PATH: `${dir}/bin:${process.env.PATH}` } };
    const { code, stderr } = await postern(command.split(' ').slice(1), dir, more);
    expect([code, stderr]).toEqual([0, '']);
    return;
  }
  const inside = /^in .+ \((\/[^()]+):(\d+)\): (.+?)(?: and delete there: (.+))?$/.exec(fix);
  const [, instead] = /^instead of this line: (.+?)(?: \([^()]*\))?$/.exec(fix) ?? [];
  const path = inside?.[1] ?? file;
  const lines = (await readFile(path, 'utf8')).split('\n');
  const at = Number(inside?.[2] ?? line) - 1;
  const [before, here, after] = [lines.slice(0, at), lines[at] ?? '', lines.slice(at + 1)];
  if (inside !== null) {
    const [, , , added, removed = ''] = inside;
    expect(here).toMatch(/\{/);
    let rest = [here.replace('{', () => `{ ${added}`), ...after].join('\n');
    for (const one of removed.match(/[^;]+;/g) ?? []) {
      expect(rest).toContain(one.trim());
      rest = rest.replace(one.trim(), '');
    }
    await writeFile(path, [...before, rest].join('\n'));
  } else if (instead !== undefined) {
    await writeFile(path, [...before, instead, ...after].join('\n'));
  } else if (fix.startsWith('delete this line')) {
    await writeFile(path, [...before, ...after].join('\n'));
  } else {
    expect(fix).toMatch(/^delete this block/);
    const end = after.findIndex((one) => one.trim() === '}');
    await writeFile(path, [...before, ...after.slice(end + 1)].join('\n'));
  }
}
