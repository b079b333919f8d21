import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { textsOf } from '../support/fixtures.ts';
import { type IssuedToken, mount } from '../support/postern.ts';
import type { Headers, RawAnswer } from '../support/raw.ts';
import { type Site, type SiteOptions, siteForTest, startSite, useSite } from '../support/site.ts';

// Directives of a site that the snippets inherit. With each of them a request without a token is
// denied with the right status, and a valid token gets the file. Each server block has both modes.

const FILE = 'hello, this is file a\n';
const NAMES = ['a.txt', 'a.jpg', 'a.mp4', 'a.php', 'a.html', 'a'];
const PREFIXES = ['/download/', '/accel/'];
const HTTP = `
  proxy_cache_path $files/../cache keys_zone=cache:1m;
  limit_req_zone $binary_remote_addr zone=requests:1m rate=1000r/s;
  limit_conn_zone $binary_remote_addr zone=connections:1m;
`;

function locations(text: string, internal = 'include postern/internal.conf;'): string {
  return `
    location ^~ /download/ { include postern/protect.conf; }
    location ^~ /accel/ { include postern/x-accel.conf; }
    location ^~ /protected/ { ${internal} alias $files/; }
    location ${text.includes('location ~ /') ? '/x/' : '/'} { root $files/../www; }
    location = /login { return 204; }
    location = /logout { return 401; }
    location = /mirror { return 200; }`;
}

const SITE: SiteOptions = {
  mode: 'auth_request',
  mounts: PREFIXES.map((prefix) => mount(prefix, '/protected/')),
  files: {
    ...Object.fromEntries(NAMES.map((name) => [name, FILE])),
    'b.txt': 'file b',
    'a.txt.gz': 'the sibling',
    'page.html': '<!--#include virtual="/protected/b.txt" --><!--#echo var="postern_target" -->',
    'inner.html': '[<!--#include virtual="/protected/a.txt" -->]',
    'sub/index.html': 'index',
    'sub/c.txt': 'c',
    '../dump.sql': 'all passwords',
    '../www/index.html': 'the front page',
    '../www/50x.html': 'the page for errors',
    '../www/page.html': ['/protected/a.txt', '/download/a.txt', '/accel/a.txt']
      .flatMap((uri) => [uri, `${uri}?token=$arg_token`])
      .map((uri) => `[<!--#include virtual="${uri}" -->]`)
      .join('\n'),
    '../htpasswd': 'user:{PLAIN}password\n',
  },
};

/** A client of one server block, in one mode. */
interface At {
  readonly prefix: string;
  ask(method: string, target: string, headers?: Headers): Promise<RawAnswer>;
  /** A token for a file, or without a name for the folder. */
  issue(name: string, more?: object): Promise<IssuedToken>;
  revoke(id: string): Promise<unknown>;
}

type Other = readonly [server: string, check: (at: At) => Promise<void>, internal?: string];

/** The response to a valid token. */
const gets =
  (name: string, status: number, text: string | RegExp, headers: Headers = {}, query = '') =>
  async ({ ask, issue }: At) => {
    const answer = await ask('GET', (await issue(name)).url + query, headers);
    expect([answer.status, answer.text]).toEqual([status, expect.stringMatching(text)]);
  };

const PART = { 'Accept-Encoding': 'gzip', Range: 'bytes=0-4' };
const PASSWORD = { Authorization: `Basic ${Buffer.from('user:password').toString('base64')}` };
const HSTS = 'add_header Strict-Transport-Security max-age=9 always;';
const isFile = (headers = {}) => gets('a.txt', 200, FILE, headers, '&root=$files/../dump.sql');

const OTHERS: Readonly<Record<string, Other>> = {
  'SSI in an uploaded page is not run': ['ssi on;', gets('page.html', 200, /^<!--#include .*-->$/)],
  'SSI in a page of the site cannot include a protected file': [
    'ssi on;',
    async ({ ask, issue }) => {
      const { access_token: token } = await issue('a.txt');
      for (const target of ['/page.html', `/page.html?token=${token}`]) {
        const answer = await ask('GET', target);
        expect([answer.status, answer.text.includes(FILE)]).toEqual([200, false]);
      }
    },
  ],
  'SSI in a delivered page cannot include another protected file': [
    'location ^~ /protected/inner { internal; alias $files/inner; ssi on; try_files $uri =404; }',
    gets('inner.html', 200, /^\[((?!hello)[\s\S])*\]$/),
  ],
  'ranges work with gzip': [
    'gzip on; gzip_types *; gzip_min_length 1;',
    gets('a.txt', 206, /^hello$/, PART),
  ],
  'a deny of the site stays in force': [
    'satisfy any; deny all;',
    gets('a.txt', 403, /problem|403/),
  ],
  // The snippets cannot undo an inherited filter, except by another filter.
  'filters of the body change the delivered bytes': [
    'sub_filter file FILE; sub_filter_types *; add_before_body /index.html; addition_types *;',
    gets('a.txt', 200, /this is FILE a/),
  ],
  'a root that is a file, by its own name, is not served': ['root $files/../dump.sql;', isFile()],
  'a root that is a file, by an argument, is not served': ['root $arg_root;', isFile()],
  'a root that is a file, by the name of a host, is not served': [
    'root $files/../$host;',
    isFile({ Host: 'dump.sql' }),
  ],
  'a folder is not listed, with or without its slash': [
    'autoindex on; index index.html;',
    async ({ ask, issue }) => {
      for (const listing of [false, true]) {
        const { url } = await issue('', { listing });
        for (const folder of ['', 'sub', 'sub/']) {
          const answer = await ask('GET', url + folder);
          expect([403, 404, 400]).toContain(answer.status);
          expect(answer.header('Location')).toBeUndefined();
          expect(answer.text).not.toMatch(/c\.txt|index\.html|protected/);
        }
      }
    },
  ],
  'HSTS stays if it is repeated': [
    HSTS,
    async ({ ask, issue, prefix }) => {
      for (const target of [(await issue('a.txt')).url, `${prefix}a.txt`]) {
        expect((await ask('GET', target)).header('Strict-Transport-Security')).toBe('max-age=9');
      }
    },
    `include postern/internal.conf; ${HSTS}`,
  ],
  'the password of the site is not required for a token, but for other locations': [
    'auth_basic site; auth_basic_user_file $files/../htpasswd;',
    async ({ ask, issue, prefix }) => {
      const front = await ask('GET', '/index.html');
      expect([front.status, front.header('WWW-Authenticate')]).toEqual([401, 'Basic realm="site"']);
      // With the password, the token in the query is valid. The password without a token opens nothing.
      expect((await ask('GET', (await issue('a.txt')).url, PASSWORD)).status).toBe(200);
      expect((await ask('GET', `${prefix}a.txt`, PASSWORD)).status).toBe(401);
    },
  ],
  'expires max does not make a delivery public': [
    'expires max;',
    async ({ ask, issue, prefix }) => {
      const answer = await ask('GET', (await issue('a.txt')).url);
      const said = answer.headers.filter(([name]) => /^(cache-control|expires)$/.test(name));
      // By X-Accel, the gate has sent Expires.
      const more = prefix === '/accel/' ? [['expires', '0']] : [];
      expect([...said].sort()).toEqual([['cache-control', 'private, no-store'], ...more]);
      const confirmed = await ask('POST', (await issue('a.txt', { confirm: true })).url);
      expect([confirmed.status, confirmed.header('cache-control')]).toEqual([303, 'no-store']);
    },
  ],
};

const DIRECTIVES = textsOf('site-directives.conf');

const CASES = [
  ...DIRECTIVES.map(([name, text]) => [name, text, holds] as const),
  ...Object.entries(OTHERS).map(([name, other]) => [name, ...other] as const),
];

/** The clients of a server block. */
const clients = (site: Site, Host = 'files.example') =>
  PREFIXES.map(
    (prefix): At => ({
      prefix,
      ask: (method, target, headers) =>
        site.ask(method, target.replace('$files', site.files), {
          Host,
          'Content-Length': '0',
          ...headers,
        }),
      issue: (name, more) =>
        site.issue({ [name === '' ? 'prefix' : 'path']: prefix + name, ...more }),
      revoke: (id) => site.postern.store.revoke(id, 'test'),
    }),
  );

describe('hostile site: directives of the site do not change a decision', () => {
  const site = useSite({
    ...SITE,
    http:
      HTTP +
      CASES.map(
        ([, text, , internal], i) => `server {
          listen 127.0.0.1:$port; server_name s${i}.example ${text.includes('$host') ? 'dump.sql' : ''};
          ${text}
          include postern/auth-request.conf;
          ${locations(text, internal)}
        }`,
      ).join('\n'),
  });

  test.each(CASES.map(([name, , check], i) => [name, i, check] as const))(
    'in the server block: %s',
    async (_, i, check) => {
      for (const at of clients(site, `s${i}.example`)) await check(at);
    },
  );

  test('no response is cached or stored', async () => {
    expect(await readdir(join(site.files, '..', 'cache'))).toEqual([]);
    const pages = await readdir(join(site.files, '..', 'www'));
    expect(pages.sort()).toEqual(['50x.html', 'index.html', 'page.html']);
  });

  const anywhere = DIRECTIVES.filter(([name]) => !name.startsWith('server: '));
  test.concurrent.each(anywhere)('in the http block: %s', async (_, text) => {
    const own = await startSite({ ...SITE, http: HTTP + text, only: locations(text) });
    try {
      for (const at of clients(own)) await holds(at);
    } finally {
      await own.stop();
    }
  });
});

test('hostile site: no stale response if the service is down', async () => {
  const server = `
    proxy_cache cache; proxy_cache_valid any 1s;
    proxy_cache_use_stale error timeout updating http_500 http_503;
    proxy_cache_background_update on;`;
  const site = await siteForTest({ ...SITE, http: HTTP, server, only: locations('') });
  const issued = await Promise.all(clients(site).map(({ issue }) => issue('a.txt')));
  const urls = issued.map(({ url }) => url);
  for (const url of urls) expect((await site.ask('GET', url)).status).toBe(200);
  await site.gate.stop();
  for (const target of [...urls, ...PREFIXES.map((prefix) => `${prefix}a.txt`)]) {
    expect((await site.ask('GET', target)).status).toBe(503);
  }
});

async function holds({ ask, issue, revoke, prefix }: At): Promise<void> {
  async function denied(target: string, status: number, method = 'GET'): Promise<void> {
    const answer = await ask(method, target);
    const seen = [answer.status, answer.text.includes(FILE)];
    expect(seen, `${method} ${target}`).toEqual([status, false]);
    if (status !== 404)
      expect(answer.header('Content-Type')).toMatch(/^application\/problem\+json/);
    if (status === 401) expect(answer.header('WWW-Authenticate')).toMatch(/^Bearer/);
  }
  async function opens(target: string): Promise<void> {
    const answer = await ask('GET', target, { 'Accept-Encoding': 'gzip' });
    expect([answer.status, answer.text], target).toEqual([200, FILE]);
    expect(answer.header('Content-Encoding')).toBeUndefined();
  }

  const { access_token: other } = await issue('b.txt');
  for (const name of NAMES) {
    const { url, access_token: token } = await issue(name);
    await denied(prefix + name, 401);
    await opens(url);
    await denied(prefix + name, 401);
    await denied(`${prefix}${name}?token=${other}`, 403);
    await denied(`/protected/${name}?token=${token}`, 404);
  }
  const { url, id } = await issue('a.txt');
  await denied(url, 403, 'PUT');
  await denied(url, 403, 'DELETE');
  await denied('/protected/a.txt', 404);
  await denied(`${prefix}none.txt`, 401);
  await opens(url);
  await revoke(id);
  await denied(url, 401);

  const { url: link } = await issue('a.txt', { confirm: true });
  await denied(link, 401);
  const confirmed = await ask('POST', link);
  const to = `${link}&postern_confirmed=1`;
  expect([confirmed.status, confirmed.header('Location')]).toEqual([303, to]);
  await opens(link);

  // A rewrite or a try_files of the site could bypass the gate.
  // So could an error page of another location.
  expect((await ask('GET', '/logout')).text).not.toContain(FILE);
  for (const start of [
    '/old',
    '/older',
    '/static/protected',
    `/static${prefix}`,
    `/${prefix}`,
    '/x',
  ]) {
    expect((await ask('GET', `${start}/a.txt`)).text, start).not.toContain(FILE);
  }
}
