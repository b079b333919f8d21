import { describe, expect, test } from 'vitest';
import { testNginx } from '../harness/nginx.ts';
import { textOf } from '../harness/paths.ts';
import { openRaw, requestBytes } from '../support/raw.ts';
import { modes, type SiteOptions, siteForTest } from '../support/site.ts';

// `npm run check` tests each snippet with auth-request.conf, all of them together, and the examples.

const upstream = 'upstream postern { server 127.0.0.1:7300; }';

test.each(['auth-request', 'cors-headers', 'protect', 'x-accel', 'internal', 'internal-proxy'])(
  'snippets: nginx rejects %s without http.conf, which declares its variables',
  async (name) => {
    const line = `include postern/${name}.conf;`;
    const block = name === 'auth-request' ? line : `location ^~ /a/ { ${line} }`;
    const { ok, output } = await testNginx(`${upstream} server { ${block} }`);
    expect([ok, output]).toEqual([false, expect.stringMatching(/unknown "postern_/)]);
  },
);

test('snippets: nginx accepts http.conf without the others', async () => {
  const http = 'include postern/http.conf; access_log own.log postern;';
  const { ok, output } = await testNginx(`${http} ${upstream}`);
  expect([ok, output]).toEqual([true, expect.not.stringMatching(/\[(warn|emerg)\]/)]);
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
  const template = textOf('nginx/local.conf');
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
