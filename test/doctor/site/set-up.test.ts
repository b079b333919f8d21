import { readdir } from 'node:fs/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { projectRoot } from '../../harness/paths.ts';
import { launch } from '../../harness/process.ts';
import { waitFor } from '../../harness/wait.ts';
import { posternHere, program } from '../../support/cli/postern.ts';
import { type BrokenSite, type Doctored, siteToAttack } from '../../support/doctor/site.ts';
import { forTest, tcpForTest } from '../../support/for-test.ts';
import { apiKey, KEY, listening, mount } from '../../support/postern.ts';
import { samplesOf } from '../../support/samples.ts';

/** Sites that cannot be tested, with options and variables, and the message. */
const CASES: Readonly<Record<string, readonly [RegExp, BrokenSite?, ...string[]]>> = {
  'the canary is not there': [
    /canary\.txt does not exist, or nginx may not read its folder \(404\).*mkdir -p \/srv\/files\/postern-doctor && .*base64 > \/srv\/files\/postern-doctor\/canary\.txt.*Run `postern doctor --config` too/,
    { canary: null },
  ],
  'it is too short': [/has 5 bytes\. The canary must have 32 to 65536/, { canary: 'hello' }],
  'it is too long': [/has 70000 bytes/, { canary: Buffer.alloc(70_000, 'x') }],
  'a page instead of the canary': [
    /does not exist: this site sends the same response for any name/,
    {
      canary: null,
      locations:
        "location / { try_files $uri /app; } location = /app { return 200 '0123456789abcdefghijklmnopqrstuvwxyz'; }",
      within: 'internal; auth_request off; alias $files/; error_page 404 =200 /app;',
    },
  ],
  'no mount': [/rejects a token for --path \/elsewhere\/a: invalid/, {}, '--path', '/elsewhere/a'],
  'a mount with a path argument': [
    /has a path_argument/,
    { mounts: [mount('/download/', '/protected/', { pathArgument: 'file' })] },
  ],
  'beyond the key': [/insufficient_scope/, { apiKeys: [apiKey(KEY, { paths: [] })] }],
  'the key is refused': [/invalid_client/, { apiKeys: [apiKey('another-key-than-the-doctors')] }],
  'nginx does not reach the gate': [
    /503 .* with a valid token: nginx probably does not reach the gate\. .*POSTERN_LISTEN.*EACCES.*usermod -aG postern-gate.*Run `postern doctor --config` too/,
    { edit: { 'auth-request': (text) => text.replaceAll('//postern/', '//127.0.0.1:1/') } },
  ],
  'another Postern is asked': [
    /403 .* with a valid token.*server_name/,
    {
      edit: { 'auth-request': (text) => text.replace('$server_name', 'elsewhere') },
      mounts: [mount('files.example:/download/', '/protected/')],
    },
  ],
  'a redirect': [
    /a redirect to https:\/\/files\.example\/download\/postern-doctor\/canary\.txt: pass/,
    { server: 'if ($scheme = http) { return 301 https://files.example$request_uri; }' },
  ],
  'nginx asks the API, by auth_request': [
    /503 .* with a valid token: .*POSTERN_LISTEN\. The address of --api is not the gate/,
    { asksApi: true },
  ],
  'nginx asks the API, by X-Accel': [
    /nginx asks Postern's API instead of its gate/,
    { mode: 'X-Accel', asksApi: true },
  ],
  'the API does not answer': [/POSTERN_API_LISTEN/, {}, '--api', 'http://127.0.0.1:1'],
  'no server at --connect': [/does not answer: ECONNREFUSED/, {}, '--connect', '127.0.0.1:1'],
};

describe('doctor URL: a site that it cannot test is exit 2, with what to check', () => {
  test.for(Object.entries(CASES))('%s', async ([, [says, options, ...words]]) => {
    const site = await siteToAttack({ ...options });
    const { code, stdout, stderr } = await site.run(...words);
    expect(stderr).toMatch(says);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).not.toMatch(/ps_| {4}at /);
    await everyTokenIsRevoked(site);
  });

  test('a busy site proves nothing: exit 2', async () => {
    const site = await siteToAttack({
      http: 'limit_req_zone $server_name zone=r:1m rate=1r/m;',
      server: 'limit_req zone=r burst=5 nodelay; limit_req_status 429;',
    });
    const { code, verdicts, saw } = await site.examine('--only', 'no-token,traversal');
    expect({ code, verdicts }).toEqual({
      code: 2,
      verdicts: { 'no-token': 'untested', traversal: 'untested' },
    });
    expect(saw['no-token']).toMatch(/^429: /);
  });

  test('a wrong --internal proves nothing: exit 2', async () => {
    const site = await siteToAttack();
    const { code, saw } = await site.examine('--internal', '/nope/', '--only', 'internal-prefix');
    expect([code, saw['internal-prefix']]).toEqual([
      2,
      expect.stringMatching(/^no internal location answers at \/nope\/: the prefix is wrong/),
    ]);
  });
});

describe('doctor URL: usage errors', () => {
  test.for([
    [[], /pass either the URL of a site, --config or --storage/],
    [['http://127.0.0.1:1/', '--config', 'nginx.conf'], /either the URL of a site, --config or/],
    [['http://127.0.0.1:1/', '--mounts', '/a/=/b/'], /--mounts works only with --config/],
    [['--config', 'nginx.conf', '--decision-ttl', '1'], /--decision-ttl works only with a URL/],
    [['files.example'], /expected the URL of a site/],
    [['ftp://files.example/'], /expected the URL of a site/],
    [['http://files.example/download/'], /must not have a path, query or user/],
    [['http://user:secret@files.example/'], /must not have a path, query or user/],
    [['http://127.0.0.1:1/', '--connect', 'here'], /--connect/],
    [['http://127.0.0.1:1/', '--path', 'a.txt'], /--path/],
    [['http://127.0.0.1:1/', '--path', '/download/'], /--path/],
    [['http://127.0.0.1:1/', '--internal', '/protected'], /--internal/],
    [['http://127.0.0.1:1/', '--decision-ttl', 'long'], /--decision-ttl/],
    [['http://127.0.0.1:1/', '--extensions', 'p/df'], /--extensions/],
    [
      ['http://127.0.0.1:1/', '--only', 'no-such'],
      /--only: unknown check no-such; the checks are cached-delivery, no-token, /,
    ],
    [['http://127.0.0.1:1/', '--key', KEY], /unknown option/],
    [['http://127.0.0.1:1/'], /POSTERN_API_KEY/, ''],
  ] as const)('%s', async ([words, says, key = KEY]) => {
    const env = { POSTERN_API_KEY: key };
    const { code, stdout, stderr } = await posternHere(['doctor', ...words], projectRoot, { env });
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(says);
    expect(stderr).not.toContain('secret');
  });
});

test('doctor URL: a token in a response of the site is not printed', async () => {
  const site = await siteToAttack({
    edit: { internal: (text) => text.replace('try_files $uri =404;', '') },
    within: `include postern/internal.conf; alias $files/;
        absolute_redirect off; add_header X-Cache "HIT $request_uri";`,
  });
  for (const words of [[], ['--json']]) {
    const { code, stdout, stderr } = await site.run(...words);
    expect(code).toBe(1);
    expect(stdout).toMatch(/x-cache: HIT \/[^ ]*token=\*\*\*/);
    expect(stdout + stderr).not.toContain('ps_');
  }
});

/** Each response repeats the token of the request, beside characters that control a terminal. */
const HOSTILE: Readonly<Record<string, (token: string) => string>> = {
  'a redirect': (token) =>
    `HTTP/1.1 302 Found\r\nLocation: https://a.example/~${token}/\x1b]0;x\x07\xe2\x80\xae\r\n\r\n`,
  'a denial': (token) =>
    `HTTP/1.1 403 \x1b[2J${token}\r\nWWW-Authenticate: \x1b[2J${token}\r\n\r\n\x1b[2J${token}`,
  'a broken response': (token) => `\x1b[2J${token} 200\r\n\r\n`,
};

test.for(Object.entries(HOSTILE))(
  'doctor URL: its error about %s of the site shows no token and no control character',
  async ([, respond]) => {
    const port = await tcpForTest((socket) => {
      socket.once('data', (request) => {
        const [, token = ''] = /token=([\w-]+)/.exec(String(request)) ?? [];
        socket.end(respond(token), 'latin1');
      });
    });
    const site = await siteToAttack();
    for (const words of [[], ['--json']]) {
      const { code, stdout, stderr } = await site.run('--connect', `127.0.0.1:${port}`, ...words);
      expect([code, stdout]).toEqual([2, '']);
      expect(stderr).not.toMatch(/ps_|(?!\n)[\p{Cc}\p{Cf}]/u);
      expect(stderr).toMatch(/^postern: http:.+\n$/);
    }
  },
);

test('doctor URL: changes nothing on a site that allows WebDAV methods', async () => {
  const site = await siteToAttack({
    edit: {
      'auth-request': (text) =>
        text.replace('X-Original-Method $request_method', 'X-Original-Method GET'),
    },
    within: `include postern/internal.conf; alias $files/;
        dav_methods PUT DELETE MKCOL COPY MOVE; create_full_put_path on;`,
  });
  const tree = async () => (await readdir(site.files, { recursive: true })).sort();
  const before = await tree();
  const { verdicts } = await site.examine();
  expect(verdicts.methods).toBe('failed');
  expect(await tree()).toEqual(before);
});

test('doctor URL: shows its progress on a terminal', async () => {
  const site = await siteToAttack();
  const { isTTY } = process.stderr;
  process.stderr.isTTY = true;
  onTestFinished(() => {
    process.stderr.isTTY = isTTY;
  });
  const env = { POSTERN_API: site.api, POSTERN_API_KEY: KEY };
  const words = ['doctor', site.url, '--only', 'expired-token'];
  const { code, stderr } = await posternHere(words, projectRoot, { env });
  expect([code, stderr.endsWith('\u001b[K')]).toEqual([0, true]);
  expect(stderr).toContain('[1/1] an expired token: waiting for a token to expire');
});

test('doctor URL: revokes its tokens when it is stopped', async () => {
  const site = await siteToAttack();
  const env = { PATH: process.env.PATH, POSTERN_API: site.api, POSTERN_API_KEY: KEY };
  const command = { path: process.execPath, args: [program, 'doctor', site.url], env };
  const child = await forTest(launch({ name: 'postern doctor', ...command }));
  await waitFor(async () => site.asked() > 10, { what: 'the attack' });
  child.signal('SIGINT');
  expect(await child.exited).toEqual({ code: 130, signal: null });
  await everyTokenIsRevoked(site);
});

test('doctor URL: works with a key for only the folder of the canary', async () => {
  const site = await siteToAttack({
    apiKeys: [apiKey(KEY, { paths: [{ prefix: '/download/postern-doctor/' }] })],
  });
  const { code, verdicts } = await site.examine('--only', 'folder-redirect,no-token');
  expect({ code, verdicts }).toEqual({
    code: 0,
    verdicts: { 'folder-redirect': 'skipped', 'no-token': 'ok' },
  });
});

test('doctor URL: sends the API key only to the API', async () => {
  const seen: string[] = [];
  const other = await forTest(
    listening((request, reply) => {
      seen.push(JSON.stringify(request.headers));
      reply.end();
    }),
  );
  const site = await siteToAttack();
  await site.run('--connect', `127.0.0.1:${other.port}`);
  expect(seen.length).toBeGreaterThan(0);
  expect(seen.join()).not.toContain(KEY);
});

/** According to the metrics of the service. */
async function everyTokenIsRevoked({ api }: Doctored): Promise<void> {
  const samples = samplesOf(await (await fetch(`${api}/metrics`)).text());
  const issued = samples.get('postern_tokens_issued_total{format="opaque"}');
  expect(samples.get('postern_tokens_revoked_total')).toBe(issued);
}
