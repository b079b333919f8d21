import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { waitFor } from '../../harness/wait.ts';
import { issueToken } from '../postern.ts';
import { BEHIND, type BrokenSite, CANARY, type Doctored } from './site.ts';

export interface Leak {
  readonly broken: BrokenSite;
  /** Files and links below the folder that contains `files/` and `static/`. */
  readonly prepare?: (folder: string, site: Doctored) => Promise<unknown>;
  /** A URL that opens the file without a token, or whether something else leaks. */
  readonly leak: string | ((site: Doctored) => Promise<boolean>);
  /** The rules of `--config`, separated by spaces. */
  readonly config: string;
  /** The first finding of the live form. Absent: it finds nothing. */
  readonly live?: string;
}

const FILE = 'postern-doctor/canary.txt';

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

export async function isOpen(site: Place, path: string, headers?: Record<string, string>) {
  const canary = await readFile(join(site.files, FILE), 'utf8');
  return (await (await get(site, path, headers)).text()).includes(canary);
}

const GATE = 'include postern/protect.conf;';
const INTERNAL = 'include postern/internal.conf;\nalias $files/;';
const NOBODY = '192.0.2.1';
const FRONT = `proxy_set_header Host files.example;
  proxy_set_header X-Forwarded-For $remote_addr;`;

/** Leaks for both forms of the doctor. test/fixtures/leaks.conf has those that only `--config` finds. */
export const LEAKS: Readonly<Record<string, Leak>> = {
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
  'a regex location for .pdf before a public location without ^~': {
    broken: {
      gate: `location /download/ {\n${GATE}\n}`,
      locations: 'location ~ ^/download/(.*\\.pdf)$ { alias $files/$1; }',
    },
    prepare: add('secret.pdf'),
    leak: '/download/secret.pdf',
    config: 'missing-caret second-url',
    live: 'regex-location',
  },
  'a regex location before an internal location without ^~': {
    broken: {
      inner: `location /protected/ {\n${INTERNAL}\n}`,
      locations: 'location ~ ^/protected/(.*)$ { alias $files/$1; }',
    },
    leak: `/protected/${FILE}`,
    config: 'missing-caret second-url',
    live: 'internal-prefix',
  },
  'an alias without its slash': {
    broken: { locations: 'location /static {\nalias $files/../static/;\n}' },
    leak: `/static../files/${FILE}`,
    config: 'second-url',
    live: 'alias-slash',
  },
  'an internal location without internal.conf': {
    broken: { inner: 'location ^~ /protected/ {\nalias $files/;\n}' },
    leak: `/protected/${FILE}`,
    config: 'missing-snippet',
    live: 'internal-prefix',
  },
  'an internal location with lines of internal.conf': {
    broken: {
      inner: `location ^~ /protected/ {
        set $postern_disposition "$postern_disposition$upstream_http_postern_disposition";
        add_header Cache-Control "private, no-store" always;
        if ($upstream_status !~ "^$|(^|[ :])200$") { return 404; }
        try_files $uri =404;
        alias $files/;
      }`,
    },
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
      locations: `location @open {
        rewrite ^/download/(.*)$ /$1 break;
        root $files;
      }`,
    },
    leak: CANARY,
    config: 'second-url',
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
    config: 'cache-in-front log',
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
    config: 'cache-in-front log',
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
  },
};
