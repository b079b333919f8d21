import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { issueToken } from '../postern.ts';
import { BEHIND, type BrokenSite, CANARY, type Doctored } from './site.ts';

export interface Leak {
  readonly broken: BrokenSite;
  readonly prepare?: (site: Doctored) => Promise<unknown>;
  leak(site: Doctored): Promise<boolean>;
  /** The rules of `--config`, separated by spaces. */
  readonly config: string;
  /** The first finding of the form with a URL. */
  readonly live: string;
}

const FILE = 'postern-doctor/canary.txt';

/** Another file in each call: a cache keeps what it has. */
let count = 0;
async function opensAfterDownload(site: Doctored): Promise<boolean> {
  count += 1;
  await copyFile(join(site.files, FILE), join(site.files, `${count}.txt`));
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

const FRONT = `proxy_set_header Host files.example;
  proxy_set_header X-Forwarded-For $remote_addr;`;

/** Leaks that need several requests, or another server in front. test/fixtures/leaks.conf has the others. */
export const LEAKS: Readonly<Record<string, Leak>> = {
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
  'an edited snippet': {
    broken: {},
    async prepare({ nginx }) {
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
};
