import { readFile, writeFile } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Config, startNginx, testNginx } from '../harness/nginx.ts';
import { projectRoot } from '../harness/paths.ts';
import { forTest } from '../support/for-test.ts';
import { listening } from '../support/postern.ts';
import { openRaw, requestBytes, sendRaw } from '../support/raw.ts';
import { gateSnippet, modes, type SiteOptions, siteForTest } from '../support/site.ts';

const NAMES = `
  http cache auth-request gate cors-headers protect x-accel internal internal-proxy file listing`
  .trim()
  .split(/\s+/);
type Name = (typeof NAMES)[number];

const read = (name: string) => readFile(join(projectRoot, 'nginx', name), 'utf8');

/** Each of the snippets in the context that it is for. */
function configOf(subset: ReadonlySet<Name>, port: number): string {
  const say = (name: Name) => (subset.has(name) ? `include postern/${name}.conf;` : '');
  return `
    ${say('http')}
    ${say('cache')}
    ${subset.has('http') ? 'access_log own.log postern;' : ''}
    upstream postern { server 127.0.0.1:7300; keepalive 256; }
    server {
      listen 127.0.0.1:${port};
      ${say('auth-request')}
      ${say('cors-headers')}
      location ^~ /a/ { ${say('protect')} }
      location ^~ /b/ { ${say('x-accel')} }
      location ^~ /f/ { ${say('file')} }
      location ^~ /e/ { ${say('gate')} }
      location ^~ /c/ { ${say('internal')} ${say('listing')} alias /srv/files/; }
      location ^~ /d/ { ${say('internal-proxy')} proxy_pass http://127.0.0.1:9/; }
    }`;
}

// A separate nginx -t for each subset, because a variable of one server block is declared for all. A snippet
// alone shows what it lacks, and all together show duplicates. So every selection with auth-request.conf passes.
const OTHERS = NAMES.filter((name) => name !== 'auth-request');
const subsets = [[], ...OTHERS.map((one) => [one]), OTHERS].map(
  (names) => new Set<Name>(['auth-request', ...names]),
);
subsets.push(...[[], ['http']].map((names) => new Set(names as Name[])));

describe('nginx -t', () => {
  test.concurrent.each(subsets.map((subset) => [[...subset].join(' ') || 'none', subset] as const))(
    'passes with %s',
    async (_, subset) => {
      const { ok, output } = await testNginx(({ port }) => configOf(subset, port));
      expect(output).not.toMatch(/\[(warn|emerg|crit|error)\]/);
      expect(ok).toBe(true);
    },
  );

  test.each(['internal', 'internal-proxy', 'cors-headers', 'protect', 'x-accel', 'cache'] as const)(
    'fails with %s without auth-request.conf, which declares its variables',
    async (name) => {
      const { ok, output } = await testNginx(({ port }) => configOf(new Set([name]), port));
      expect([ok, output]).toEqual([false, expect.stringMatching(/unknown "postern_/)]);
    },
  );

  test.each(['nginx.conf', 'examples/seed.conf'])('passes with %s', async (name) => {
    // The log's folder is the system's.
    const text = (await read(name)).replaceAll('/var/log/nginx/', '');
    const { ok, output } = await testNginx(name === 'nginx.conf' ? text : () => text);
    expect([ok, output]).toEqual([true, expect.not.stringMatching(/\[warn\]/)]);
  });
});

const HEAD = 'location ^~ /.postern/ {';

/** The lines between two texts of a snippet that say what a request to the gate has. */
async function asking(name: string, from = '', to?: string): Promise<readonly string[]> {
  const [, after = ''] = from === '' ? ['', await read(name)] : (await read(name)).split(from, 2);
  const own = to === undefined ? after : after.slice(0, after.indexOf(to));
  const lines = [...own.matchAll(/^ *((?:proxy_|include ).*);$/gm)].map(([, line = '']) => line);
  // The others differ by design: the URL of the gate, the used response headers, the denials, and the cache.
  return lines.filter((line) => /^(include|proxy_(method|set_))/.test(line)).sort();
}

test('snippets: all requests to the gate have gate.conf in common, and differ only in method and body', async () => {
  const question = [
    ...['include postern/gate.conf', 'include postern/public.conf', 'proxy_method GET'],
    ...['proxy_set_body ""', 'proxy_set_header Content-Length ""'],
  ];
  const file = 'snippets/auth-request.conf';
  expect(await asking(file, HEAD, '    location ')).toEqual(question);
  expect(await asking('snippets/x-accel.conf')).toEqual(question);
  // A separate line would replace the inherited headers.
  expect(await asking(file, 'location = /.postern/auth-request {', '\n    }\n')).toEqual([]);
  expect(await asking(file, 'location = /.postern/POST {', '\n    }\n')).toEqual([
    ...['include postern/gate.conf', 'proxy_method POST'],
    'proxy_set_body $request_body',
    'proxy_set_header Origin $http_origin',
    'proxy_set_header Postern-Host $host:$server_port,$http_host',
    'proxy_set_header Sec-Fetch-Site $http_sec_fetch_site',
  ]);
});

describe.each(modes)('snippets: connections to the gate by %s', (mode) => {
  test.each(['allowed', 'denied'])('50 requests, %s, use one or two', async (outcome) => {
    const site = await siteForTest({ mode, files: { 'a.txt': 'file a' } });
    let opened = 0;
    site.gate.server.on('connection', () => {
      opened += 1;
    });
    const { url } = await site.issue({ path: '/download/a.txt' });
    const target = outcome === 'allowed' ? url : url.replace('a.txt', 'b.txt');
    const connection = await openRaw(site.nginx.port);
    for (let i = 0; i < 50; i += 1) {
      const { status } = await connection.send(requestBytes('GET', target));
      expect(status).toBe(outcome === 'allowed' ? 200 : 403);
    }
    connection.close();
    expect(opened).toBeGreaterThan(0);
    expect(opened).toBeLessThanOrEqual(2);
  });
});

// The settings of nginx/local.conf: maps below the snippets, in place of edits.

const files = { 'a.txt': 'file a', '../htpasswd': 'ada:{PLAIN}s3cret\n' };
const start = (options: SiteOptions) => siteForTest({ ...options, files });

const REALM =
  'map "" $postern_realm { default "Members only"; } auth_basic_user_file $files/../htpasswd;';
const PASSWORD = { Authorization: `Basic ${Buffer.from('ada:s3cret').toString('base64')}` };

describe.each(modes)('settings: $postern_realm by %s', (mode) => {
  test('a public location requires the password as well as the token', async () => {
    const { issue, ask } = await start({ mode, http: REALM });
    const { url } = await issue({ path: '/download/a.txt' });
    const refused = await ask('GET', url);
    expect([refused.status, refused.text.includes('file a')]).toEqual([401, false]);
    expect(refused.header('WWW-Authenticate')).toBe('Basic realm="Members only"');
    expect((await ask('GET', '/download/a.txt', PASSWORD)).status).toBe(401);
    expect(await ask('GET', url, PASSWORD)).toMatchObject({ status: 200, text: 'file a' });
  });

  test('a confirmation requires the password, and takes the use only with it', async () => {
    const { issue, ask } = await start({ mode, http: REALM });
    const { url } = await issue({ path: '/download/a.txt', confirm: true });
    const form = { 'Content-Type': 'application/x-www-form-urlencoded' };
    expect((await ask('POST', url, form, '')).status).toBe(401);
    expect((await ask('POST', url, { ...form, ...PASSWORD }, '')).status).toBe(303);
  });

  test('$server_name gives each site its own value', async () => {
    const byName = REALM.replace('""', '$server_name');
    const http = byName.replace('"Members only"', 'off;\nother.example Other');
    const { issue, ask } = await start({ mode, http });
    const { url } = await issue({ path: '/download/a.txt' });
    expect((await ask('GET', url)).status).toBe(200);
  });
});

test('settings: $postern_sandbox is the policy of files, except media', async () => {
  const http = 'map "" $postern_sandbox { default "sandbox allow-scripts"; }';
  const { issue, ask } = await start({ mode: 'auth_request', http });
  const { url } = await issue({ path: '/download/a.txt' });
  expect((await ask('GET', url)).header('Content-Security-Policy')).toBe('sandbox allow-scripts');
});

test('settings: nginx accepts each line of local.conf', async () => {
  const template = await readFile(join(projectRoot, 'nginx', 'local.conf'), 'utf8');
  const lines = template.replace(/^#( {4}| (?=map |\}))/gm, '');
  expect(lines.match(/^map /gm)?.length).toBe(4);
  const { ok, output } = await testNginx(
    ({ port }) => `include postern/http.conf;
      ${lines}
      upstream postern { server 127.0.0.1:7300; }
      server {
        listen 127.0.0.1:${port};
        include postern/auth-request.conf;
        location ^~ /download/ { include postern/protect.conf; }
      }`,
  );
  expect([ok, output]).toEqual([true, expect.not.stringMatching(/\[(warn|emerg)\]/)]);
});

// Only the functions of http.conf are missing.
test.each(modes)('snippets: a site without http.conf works by %s', async (mode) => {
  const cookies: unknown[] = [];
  const gate: RequestListener = (request, response) => {
    cookies.push(request.headers['postern-cookie'], request.headers['postern-resume']);
    const target = '/protected/a.html';
    const headers = { 'Postern-Target': target, 'X-Accel-Redirect': target };
    response.writeHead(mode === 'auth_request' ? 204 : 200, headers).end();
  };
  const { port } = await forTest(listening(gate));
  const config: Config = (own) => `
    upstream postern { server 127.0.0.1:${port}; keepalive 256; }
    server {
      listen 127.0.0.1:${own.port};
      include postern/auth-request.conf;
      location ^~ /download/ { ${gateSnippet(mode)} }
      location ^~ /protected/ {
        include postern/internal.conf; alias ${own.dir}/;
      }
    }`;
  const nginx = await forTest(startNginx({ config }));
  await writeFile(join(nginx.dir, 'a.html'), 'file a');

  const headers = { Cookie: 'postern=a; postern=b; postern_resume=r; postern_resume=s' };
  const answer = await sendRaw(nginx.port, requestBytes('GET', '/download/a.html', headers));
  expect([answer.status, answer.text]).toEqual([200, 'file a']);
  expect(cookies).toEqual(['a', 'r']);
  expect(answer.header('X-Content-Type-Options')).toBe('nosniff');
  expect(answer.header('Content-Security-Policy')).toBeUndefined();
  expect(await nginx.errorLog()).not.toMatch(/\[(warn|error|crit|alert|emerg)\]/);
});
