import { rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { nginxFolder } from '../../harness/nginx-conf.ts';
import { projectRoot, temporaryFolder, textOf } from '../../harness/paths.ts';
import { findTool } from '../../harness/tools.ts';
import { postern, posternHere, type With } from '../../support/cli/postern.ts';
import { writeFiles } from '../../support/files.ts';
import { folderForTest } from '../../support/for-test.ts';
import { mount } from '../../support/postern.ts';

const DUMP = `# configuration file /etc/nginx/nginx.conf:
http {
  include conf.d/site.conf;
}

# configuration file /etc/nginx/conf.d/site.conf:
upstream postern { server 127.0.0.1:7300; keepalive 256; }
server {
  listen 443 ssl; access_log off;
  location = /.postern/x { return 404; }
  location ^~ /download/ { auth_request /.postern/auth-request; try_files "" @postern_deliver; }
}
`;
const FOUND = [...Array(3).fill('missing-snippet'), 'mounts'];

// The command reads standard input as the descriptor 0, which is the runner's in this process.
const run = (words: readonly string[], more: With = {}) =>
  ('stdin' in more ? postern : posternHere)(['doctor', ...words], projectRoot, more);

let dir: string;
beforeAll(async () => {
  dir = await temporaryFolder();
  const yaml = 'mounts:\n  - public: /media/\n    internal: /protected/\n';
  await writeFiles(dir, { dump: DUMP, 'postern.yaml': yaml });
});
afterAll(() => rm(dir, { recursive: true }));

test('doctor --config: prints rule, reason and fix', async () => {
  const { code, stdout, stderr } = await run(['--config', join(dir, 'dump')]);
  expect([code, stderr]).toEqual([1, '']);
  expect(stdout).toMatch(
    /^✗ \/etc\/nginx\/conf\.d\/site\.conf:5 {2}location \^~ \/download\/ .*\[missing-snippet\]\n {4}why: {2}\S.*\n {4}fix: {2}\S.*\n/,
  );
  expect(stdout).toMatch(
    /\n\n✗ 4 findings \(2 files, 1 gate, 0 internal locations, 2 other blocks, 0 requests to a copy of this nginx\)\n\nnot checked: symbolic links and sockets: [^\n]*\n$/,
  );
});

test.each([
  ['a file', () => ['--config', join(dir, 'dump')], ''],
  ['standard input', () => ['--config', '-'], DUMP],
  ['standard input, which is the default', () => ['--config'], DUMP],
])('doctor --config --json: reads %s', async (_, words, input) => {
  const { code, stdout } = await run([...words(), '--json'], { stdin: input });
  expect(code).toBe(1);
  const { findings, not_checked, ...counts } = JSON.parse(stdout);
  expect(findings.map(({ rule }: { rule: string }) => rule)).toEqual(FOUND);
  expect(findings[0]).toMatchObject({ file: '/etc/nginx/conf.d/site.conf', line: 5 });
  expect(counts).toEqual({ files: 2, gates: 1, internal_locations: 0, others: 2, requests: 0 });
  expect(not_checked).toContain('the version of nginx, and links in its own folder (nginx -VT)');
});

test('doctor --config --protect: which URLs reach a folder, without Postern', async () => {
  const text = `http { server { root /var/www; location /s/ { alias /srv/; }
    location /in/ { internal; alias /srv/data/; } location /app { proxy_pass http://127.0.0.1:1; } } }`;
  const nginx = await findTool('nginx');
  const env = { ...(nginx.env as Record<string, string>), PATH: dirname(nginx.path) };
  const at = (folder: string) =>
    run(['--config', '--json', '--protect', folder], { stdin: text, env });
  const found = async (folder: string) => {
    const { code, stdout } = await at(folder);
    const { findings } = JSON.parse(stdout) as { findings: { verdict: string; seen: string }[] };
    return [code, findings.map(({ verdict, seen }) => `${verdict} ${/ at (\S+)/.exec(seen)?.[1]}`)];
  };
  expect(await found('/srv/data')).toEqual([1, ['failed /s/data/']]);
  expect(await found('/srv/other/')).toEqual([1, ['failed /s/other/']]);
  expect(await found('/home')).toEqual([0, []]);
  expect((await at('data')).code).toBe(2);
});

const mounts = async (words: string[], env = {}) => {
  const { stdout } = await run(['--config', '--json', ...words], { stdin: DUMP, env });
  const { findings } = JSON.parse(stdout) as { findings: { rule: string; seen: string }[] };
  return findings.filter(({ rule }) => rule === 'mounts').map(({ seen }) => seen);
};

test('doctor --config: mounts come from --mounts, POSTERN_MOUNTS or POSTERN_CONFIG, in this order', async () => {
  const file = { POSTERN_CONFIG: join(dir, 'postern.yaml') };
  const both = { ...file, POSTERN_MOUNTS: '/env/=/protected/' };
  expect((await mounts(['--mounts', '/option/=/protected/'], both))[0]).toContain('/option/');
  expect((await mounts([], both))[0]).toContain('/env/');
  expect((await mounts([], file))[0]).toContain('/media/');
  expect((await mounts([]))[0]).toContain('does not know the mounts');
});

test.each([
  ['no such file', () => ['--config', join(dir, 'none')], 'no such file'],
  ['a folder', () => ['--config', dir], 'it is a folder'],
  ['nothing on standard input', () => ['--config'], 'standard input is empty'],
  ['invalid mounts', () => ['--config', join(dir, 'dump'), '--mounts', 'x'], '--mounts'],
  ['nested mounts', () => ['--config', '-', '--mounts', '/a/=/p/,/b/=/p/sub/'], 'not below /p/'],
  ['no option', () => [], '--config'],
  ['another option', () => ['--config', '-', '--conf'], 'unknown option'],
])('doctor --config: %s: exit 2, and nothing on standard output', async (_, words, says) => {
  const { code, stdout, stderr } = await run(words(), { stdin: '' });
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toContain(says);
});

test('doctor --config: a syntax error has file and line, and exit 2', async () => {
  const { code, stdout, stderr } = await run(['--config'], { stdin: `${DUMP}server {` });
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toContain('/etc/nginx/conf.d/site.conf:7: this block is not closed');
});

test('doctor --config: control characters are escaped', async () => {
  const input = DUMP.replace('/download/', '"/\u001b[2J\u202e/"');
  const { stdout } = await run(['--config'], { stdin: input });
  expect(stdout).toContain('\\u{1b}[2J\\u{202e}');
  const broken = await run(['--config'], { stdin: '\u001b[2J' });
  expect(broken.stderr).not.toContain('\u001b');
});

// The doctor finds nothing in Postern's own configurations.

async function nginxFolderForTest(): Promise<string> {
  const folder = await nginxFolder();
  onTestFinished(() => rm(folder, { recursive: true }));
  return folder;
}

const SEED = [mount('/download-logs-with-token/', '/download-logs/', { pathArgument: 'file' })];

test.each([
  ['nginx.conf', undefined],
  ['examples/seed.conf', SEED],
])(
  'doctor --config finds nothing in nginx/%s',
  async (name, mounts = [mount('/download/', '/protected/')]) => {
    const text = textOf(`nginx/${name}`);
    const dir = await nginxFolderForTest();
    const path = join(dir, 'nginx.conf');
    // The folder of the files must exist: otherwise the doctor says that it did not look for links to it.
    await writeFile(path, text.replace(/\/srv\/\w+\//g, `${dir}/`));
    const option = mounts.map(({ prefix, internal }) => `${prefix}=${internal}`).join();
    const { code, stdout } = await run(['--config', path, '--mounts', option]);
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^✓ nothing found .*\(\d+ files, /m)]);
  },
);

// In a container nginx listens on all addresses; the proxy in front of it terminates TLS.
test('doctor --config finds only plain HTTP in nginx/examples/compose.conf', async () => {
  const text = textOf('nginx/examples/compose.conf');
  const dir = await nginxFolderForTest();
  await writeFile(join(dir, 'nginx.conf'), text);
  const words = ['--json', '--mounts', '/download/=/protected/'];
  const { code, stdout } = await run(['--config', join(dir, 'nginx.conf'), ...words]);
  expect([code, JSON.parse(stdout).findings]).toMatchObject([
    0,
    expect.arrayContaining([expect.objectContaining({ rule: 'plain-http', verdict: 'advice' })]),
  ]);
  const { length } = JSON.parse(stdout).findings;
  const { stdout: printed } = await run(['--config', join(dir, 'nginx.conf'), ...words.slice(1)]);
  expect(printed).toMatch(new RegExp(`^✓ nothing found except ${length} recommendation`, 'm'));
});

test.each<string[]>([
  [],
  ['--x-accel', '--limit-conn', '4'],
  ['--cache', '--cors', 'https://app.example', '--login', '/login', '--limit-conn', '4'],
  ['--proxy-target', '/protected/=https://s3.example/b/', '--log', 'off'],
])('doctor --config finds nothing in the output of postern nginx %s', async (...options) => {
  const dir = await folderForTest();
  const env = {
    POSTERN_MOUNTS: '/download/=/protected/,media.example:/media/=/media-files/',
    POSTERN_DECISION_TTL: '2',
  };
  const files = ['/protected/=/srv/files', '/media-files/=/srv/media'].slice(
    options.includes('--proxy-target') ? 1 : 0,
  );
  const words = files.flatMap((one) => ['--files', one]);
  const server = ['--out', dir, '--server', '--listen', '127.0.0.1:80'];
  const made = await posternHere(['nginx', ...server, ...words, ...options], dir, { env });
  expect(made.code, made.stderr).toBe(0);
  await writeFile(join(dir, 'nginx.conf'), 'http { include conf.d/*.conf; }');
  const { code, stdout } = await posternHere(['doctor', '--config', join(dir, 'nginx.conf')], dir, {
    env,
  });
  expect([code, stdout]).toEqual([0, expect.stringContaining('2 gates, 2 internal locations')]);
});
