import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { newKey } from '../../../cli/key/command.ts';
import { CHECKS } from '../../../doctor/site/attack.ts';
import { openJwt } from '../../../service/jwt/jwt.ts';
import { createMounts } from '../../../service/paths/mount.ts';
import { textOf } from '../../harness/paths.ts';
import { selfSigned } from '../../support/certificate.ts';
import { BEHIND, type BrokenSite, doctor, FRONT, siteToAttack } from '../../support/doctor/site.ts';
import { writeFiles } from '../../support/files.ts';
import { folderForTest } from '../../support/for-test.ts';
import { KEY, mount } from '../../support/postern.ts';
import { modes } from '../../support/site.ts';
import { CACHE_CONF, corsFor } from '../../support/snippet.ts';

function signing() {
  const readFile = () => JSON.stringify({ keys: [newKey('EdDSA')] });
  const place = { issuer: 'https://files.example', jwtKeys: 'own', issuers: [], leeway: 5 };
  const mounts = createMounts([mount('/download/', '/protected/')]);
  return openJwt(place, { mounts, readFile, now: Date.now, onFailure: () => {} });
}

/** Correct sites that a less careful doctor could report. */
const SITES: Readonly<Record<string, BrokenSite>> = {
  'as in docs/guides/nginx.md': {},
  'with cached decisions, CORS and a login page': {
    decisionTtl: 1,
    http: `${CACHE_CONF} ${corsFor('https://app.example')}`,
    server: 'include postern/cors-headers.conf;',
  },
  'with regex locations, a page for every name, and a root beside the files': {
    server: 'root $files/../static; error_page 404 = /index.html;',
    locations: `
      location / { try_files $uri /index.html =404; }
      location = /index.html { return 200 '<!doctype html><title>app</title>'; }
      location ~* \\.(jpg|png|css|js|txt)$ { expires max; }
      location ~ \\.php$ { return 200 php; }
      location ~ /\\. { deny all; }
      location /static/ { alias $files/../static/; }`,
  },
  'that allows only GET and HEAD': {
    server: 'if ($request_method !~ ^(GET|HEAD)$) { return 405; }',
  },
  'behind a balancer with real_ip': {
    server: BEHIND,
    front: FRONT,
  },
  'whose files come from a storage': {
    http: `upstream origin { server unix:$dir/origin.sock; }
      server { listen unix:$dir/origin.sock; location / { root $files; } }`,
    within: `include postern/internal-proxy.conf;
      proxy_pass http://origin/;`,
  },
  'whose tokens are JWTs': { jwt: { ...(await signing()), format: 'jwt' } },
  'that everything around it would break': {
    http: 'proxy_cache_path $dir/cache keys_zone=c:1m;',
    server: `gzip on; gzip_types *; gzip_min_length 1; autoindex on; satisfy any; allow all;
      proxy_cache c; proxy_cache_valid any 1m; proxy_cache_key one; underscores_in_headers on;
      dav_methods PUT DELETE; expires max; error_page 401 403 =200 /index.html;`,
  },
};

/** All by auth_request, and by X-Accel those in which nginx sends the file in another way. */
const CASES = modes.flatMap((mode) =>
  Object.entries(SITES)
    .filter(
      ([name]) => mode === 'auth_request' || /^(as in|whose files|that everything)/.test(name),
    )
    .map(([name, options]) => [mode, name, options] as const),
);

describe('doctor URL: finds nothing on a correct site', () => {
  test.concurrent.for(CASES)(
    'by %s, %s',

    async ([mode, , options], context) => {
      const site = await siteToAttack({ mode, ...options }, context.onTestFinished);
      const { code, verdicts, saw, requests, stderr, stdout } = await site.examine();
      const wrong = Object.keys(verdicts).filter(
        (id) => !['ok', 'skipped'].includes(verdicts[id] ?? ''),
      );
      expect(wrong.map((id) => `${id}: ${saw[id]}`)).toEqual([]);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(requests).toBeLessThan(300);
      expect(stdout).not.toContain('ps_');
    },
  );
});

test('doctor URL: with all options no check is skipped', async () => {
  const site = await siteToAttack();
  const { code, stdout, stderr } = await site.run('--api', site.api);
  expect(stdout).toMatch(/^\d+ ✓, 0 ✗, 0 –; \d+ requests in /m);
  expect(stdout.match(/^✓ /gm)?.length).toBeGreaterThan(21);
  expect(stdout).toMatch(
    /\nnot checked: locations for other extensions than \.jpg .*; second .*\n$/,
  );
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
});

test('docs/operate/doctor.md lists each check', () => {
  const page = textOf('docs/operate/doctor.md');
  for (const id of Object.keys(CHECKS)) expect(page).toContain(`\`${id}\``);
});

test.each(['closes', 'resets'])(
  'doctor URL: a default server that %s each connection leaves no check untested',
  async (how) => {
    const isReset = how === 'resets' ? 'reset_timedout_connection on;' : '';
    const closing = `${isReset} server { listen 127.0.0.1:$port default_server; return 444; }`;
    const site = await siteToAttack({ http: closing });
    const words = ['--internal', '/protected/', '--connect', `127.0.0.1:${site.nginx.port}`];
    const env = { POSTERN_API: site.api, POSTERN_API_KEY: KEY };
    const { code, stdout } = await doctor(['http://files.example/', ...words], env);
    expect(stdout).toMatch(/^\d+ ✓, 0 ✗, 0 –; /m);
    expect(stdout).toMatch(/as Host +.*the connection was closed/);
    expect(code).toBe(0);
  },
);

test('doctor URL: if several sites have the prefix, its tokens are for that of the URL', async () => {
  const sites = ['files.example', 'other.example'];
  const site = await siteToAttack({
    mounts: sites.map((name) => mount(`${name}:/download/`, '/protected/')),
  });
  const words = ['--connect', `127.0.0.1:${site.nginx.port}`, '--only', 'no-token,wrong-token'];
  const env = { POSTERN_API: site.api, POSTERN_API_KEY: KEY };
  const { code, stderr } = await doctor(['http://files.example/', ...words], env);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
});

test('doctor URL --extensions: tries only these, and names them', async () => {
  const site = await siteToAttack();
  const words = ['--extensions', 'pdf,.dwg', '--only', 'regex-location'];
  const { saw, stdout } = await site.examine(...words);
  expect(saw['regex-location']).toBe('401 (2 requests)');
  expect(JSON.parse(stdout).not_checked.slice(0, 2)).toEqual([
    'what --only leaves out',
    'locations for other extensions than .pdf .dwg (--extensions)',
  ]);
});

test('doctor URL: without --internal it skips the checks that need it', async () => {
  const site = await siteToAttack();
  const { code, verdicts, saw, stdout } = await site.examineAlone();
  const skipped = Object.keys(verdicts).filter((id) => verdicts[id] !== 'ok');
  expect({ code, skipped }).toEqual({ code: 0, skipped: ['internal-prefix'] });
  expect(saw['internal-prefix']).toContain('--internal');
  expect(stdout).toContain('"not_checked":["direct requests for the internal prefix",');
});

test('doctor URL --connect: tests a TLS site under its name at another address', async () => {
  const folder = await folderForTest();
  const file = (name: string) => join(folder, name);
  const { certificate, key } = selfSigned('files.example');
  await writeFiles(folder, { 'cert.pem': certificate, 'key.pem': key });
  const site = await siteToAttack({
    server: `listen 127.0.0.1:$front ssl;
        ssl_certificate ${file('cert.pem')}; ssl_certificate_key ${file('key.pem')};`,
  });
  const env = { POSTERN_API: site.api, POSTERN_API_KEY: KEY };
  const trusting = { ...env, NODE_EXTRA_CA_CERTS: file('cert.pem') };
  const words = ['--connect', `127.0.0.1:${site.nginx.ports[1]}`];

  const good = await doctor(['https://files.example/', ...words], trusting);
  expect(good.stdout).toMatch(/^\d+ ✓, 0 ✗, 1 –; /m);
  expect(good.code).toBe(0);

  const unknown = await doctor(['https://files.example/', ...words], env);
  expect([unknown.code, unknown.stderr]).toEqual([
    2,
    expect.stringMatching(/does not answer: \w+\. .*NODE_EXTRA_CA_CERTS/),
  ]);

  const other = await doctor(['https://other.example/', ...words], trusting);
  expect([other.code, other.stderr]).toEqual([2, expect.stringContaining('ALTNAME')]);
});
