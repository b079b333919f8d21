import { execFileSync } from 'node:child_process';
import { chmod, mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { projectRoot, temporaryFolder } from '../../harness/paths.ts';
import { isRoot } from '../../support/need-root.ts';
import { directives, parseNginx } from '../../support/nginx-tree.ts';
import { type Ended, postern, program } from '../postern.ts';
import { inlined } from './plan.ts';

let folder: string;
beforeEach(async () => {
  folder = await temporaryFolder();
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const USUAL = { POSTERN_MOUNTS: '/download/=/protected/' };

type Env = Readonly<Record<string, string>>;

function run(words: readonly string[], env: Env = USUAL): Promise<Ended> {
  return postern(['nginx', ...words], folder, { env });
}

async function done(words: readonly string[], env: Env = USUAL): Promise<string> {
  const { code, stdout, stderr } = await run(words, env);
  const trouble = stderr.replace(/^postern: note: .*\n/gm, '');
  expect({ code, trouble }, words.join(' ')).toEqual({ code: 0, trouble: '' });
  return stdout;
}

async function refused(words: readonly string[], env: Env = USUAL): Promise<string> {
  const { code, stdout, stderr } = await run(words, env);
  expect({ code, stdout }, words.join(' ')).toEqual({ code: 2, stdout: '' });
  return stderr;
}

/** The server blocks, by their name: the locations with what is in them. */
async function sites(words: readonly string[], env: Env = USUAL) {
  const { files } = JSON.parse(await done([...words, '--server', '--json'], env));
  const text = inlined(new Map(Object.entries(files)));
  return directives(parseNginx(text), 'server')
    .filter(({ block }) => block !== undefined)
    .map(({ block = [] }) => {
      const name = block.find(({ words }) => words[0] === 'server_name')?.words[1];
      const locations = block
        .filter(({ words }) => words[0] === 'location')
        .map(({ words, block: inner = [] }) => [words.at(-1), inner.at(-1)?.words.at(-1)]);
      return [name, Object.fromEntries(locations)];
    });
}

const FILES = ['--files', '/srv/files'];
const SERVER = [...FILES, '--server'];
const FAILS = 'max_fails=3 fail_timeout=1s';

/** Without the comments at the top. */
const LEAST = `
include postern/http.conf;

# Your settings, after the others: nginx uses the last map with a name. This file is never replaced.
include postern/local.conf;

upstream postern {
    # By default, one time-out disables a server for ten seconds: a burst would disable all servers.
    server unix:/run/postern/gate.sock max_fails=3 fail_timeout=1s;
    # Without it, each request opens a new connection.
    keepalive 256;
}
`;
const LEAST_SITE = `
access_log /var/log/nginx/access.log postern;
include postern/auth-request.conf;

location ^~ /download/ {
    include postern/protect.conf;
}

location ^~ /protected/ {
    include postern/internal.conf;
    alias /srv/files/;
}
`;

describe('nginx: standard output', () => {
  test('is a file for the http block and one for the server block, for one mount', async () => {
    const { files } = JSON.parse(await done([...FILES, '--json']));
    const body = (name: string) => files[name].slice(files[name].indexOf('\n\n') + 1);
    expect(body('conf.d/00-postern.conf')).toBe(LEAST);
    expect(body('postern/sites/_.conf')).toBe(LEAST_SITE);
    const printed = await done(FILES);
    for (const name of ['conf.d/00-postern.conf', 'postern/sites/_.conf']) {
      expect(printed).toContain(`# File ${name}\n#\n${files[name]}`);
    }
    expect(Object.keys(files).filter((name) => name.startsWith('conf.d/'))).toHaveLength(1);
  });

  test('--server: a server block with TLS, HTTP/2 and all names, and a redirect', async () => {
    const tls = ['--tls-certificate', '/etc/ssl/a.pem', '--tls-key', '/etc/ssl/a.key'];
    const name = ['--server-name', 'files.example,www.files.example'];
    const blocks = async (...words: string[]) => {
      const all = [...FILES, '--server', ...tls, ...name, ...words, '--json'];
      const { files } = JSON.parse(await done(all));
      return directives(parseNginx(files['conf.d/postern-files.example.conf']), 'server').map(
        ({ block = [] }) => block.map(({ words: line }) => line.join(' ')),
      );
    };
    const [main, redirect] = await blocks('--listen', '443', '--listen', '[::]:443');
    expect(main).toEqual([
      'listen 443 ssl http2',
      'listen [::]:443 ssl http2',
      'server_name files.example www.files.example',
      'ssl_certificate /etc/ssl/a.pem',
      'ssl_certificate_key /etc/ssl/a.key',
      'include postern/sites/files.example.conf',
    ]);
    expect(redirect).toEqual([
      'listen 80',
      'listen [::]:80',
      'server_name files.example www.files.example',
      'access_log /var/log/nginx/access.log postern',
      'return 301 https://$host$request_uri',
    ]);
    expect(await blocks()).toHaveLength(2);
    expect(await blocks('--no-redirect')).toHaveLength(1);
    expect(await blocks('--listen', '8443')).toHaveLength(1);
  });

  test('has one server block for any name, or one for each site', async () => {
    const protect = 'postern/protect.conf';
    expect(await sites(FILES)).toEqual([
      ['_', { '/download/': protect, '/protected/': '/srv/files/' }],
    ]);
    const env = {
      POSTERN_MOUNTS:
        '/download/=/protected/,Media.example:/media/=/films/,files.example:/download/=/protected/',
    };
    const words = ['--files', '/protected/=/srv/a', '--files', 'media.example:/protected/=/srv/b'];
    const more = ['--files', '/films/=/srv/films', '--server-name', 'other.example'];
    const other = ['--files', 'other.example:/protected/=/srv/c'];
    expect(await sites([...words, ...more, ...other], env)).toEqual([
      ['other.example', { '/download/': protect, '/protected/': '/srv/c/' }],
      [
        'media.example',
        {
          '/download/': protect,
          '/media/': protect,
          '/protected/': '/srv/b/',
          '/films/': '/srv/films/',
        },
      ],
      ['files.example', { '/download/': protect, '/protected/': '/srv/a/' }],
    ]);
  });

  test('contains the version, the command line and the folder of the snippets', async () => {
    const text = await done([...FILES, '--cache', '--login', '/sign-in?to=']);
    const { version } = JSON.parse(await readFile(join(projectRoot, 'package.json'), 'utf8'));
    expect(text).toContain(`# Generated by postern ${version}:`);
    expect(text).toContain(
      "#     postern nginx --files /srv/files --cache --login '/sign-in?to='\n",
    );
    expect(text).toContain(`#     ${join(projectRoot, 'nginx', 'snippets')}\n`);
  });

  test('--json prints the files of --out', async () => {
    const { files } = JSON.parse(await done([...FILES, '--cors', 'https://app.example', '--json']));
    const generated = files['conf.d/00-postern.conf'] + files['postern/sites/_.conf'];
    const all = Object.values(files).join('\n');
    const included = [...all.matchAll(/^ *include (postern\/\S+);/gm)];
    const snippets = Object.keys(files).filter((name) => /^postern\/[^/]+$/.test(name));
    expect(new Set(included.map(([, name]) => name))).toEqual(new Set(snippets));
    expect(generated).toContain('\n    "https://app.example" $http_origin;\n');
    for (const name of snippets) {
      const folder = name === 'postern/local.conf' ? '' : 'snippets';
      const path = join(projectRoot, 'nginx', folder, name.replace('postern/', ''));
      expect(files[name]).toBe(await readFile(path, 'utf8'));
    }
  });

  test('the upstream is POSTERN_LISTEN, or the gates of --instances and --upstream', async () => {
    const upstreams = async (words: readonly string[], env: Env) => {
      const [upstream] = directives(parseNginx(await done(words, env)), 'upstream');
      return upstream?.block?.map(({ words: line }) => line.join(' '));
    };
    const at = (listen: string) => upstreams(FILES, { ...USUAL, POSTERN_LISTEN: listen });
    expect(await at('0.0.0.0:7400')).toEqual([`server 127.0.0.1:7400 ${FAILS}`, 'keepalive 256']);
    expect(await at('[::]:7400')).toEqual([`server [::1]:7400 ${FAILS}`, 'keepalive 256']);
    expect(await at('unix:/run/gate.sock')).toEqual([
      `server unix:/run/gate.sock ${FAILS}`,
      'keepalive 256',
    ]);
    const words = ['--upstream', 'a.example:1', '--upstream', 'unix:/run/b.sock'];
    expect(await upstreams([...FILES, ...words], USUAL)).toEqual([
      `server a.example:1 ${FAILS}`,
      `server unix:/run/b.sock ${FAILS}`,
      'keepalive 256',
    ]);
    expect(await upstreams([...FILES, '--instances', '2'], USUAL)).toEqual([
      `server unix:/run/postern-1/gate.sock ${FAILS}`,
      `server unix:/run/postern-2/gate.sock ${FAILS}`,
      'keepalive 256',
    ]);
    const more = ['--upstream', 'a.example:1', '--instances', '1'];
    expect(await upstreams([...FILES, ...more], USUAL)).toEqual([
      `server unix:/run/postern-1/gate.sock ${FAILS}`,
      `server a.example:1 ${FAILS}`,
      'keepalive 256',
    ]);
    const hostile = { ...USUAL, POSTERN_LISTEN: 'unix:/run/a;b' };
    expect(await refused(FILES, hostile)).toContain('POSTERN_LISTEN (or --upstream)');
  });

  test('--login: passes the requested URL to the login page', async () => {
    const page = async (login: string, env: Env = USUAL) => {
      const { files } = JSON.parse(await done([...FILES, '--login', login, '--json'], env));
      const http = files['conf.d/00-postern.conf'];
      return /default "([^"]*\$postern_return)";/.exec(http)?.[1];
    };
    expect(await page('/login')).toBe('/login?return=$postern_return');
    expect(await page('/login?a=b')).toBe('/login?a=b&return=$postern_return');
    expect(await page('https://x.example/?next=')).toBe('https://x.example/?next=$postern_return');
    const env = { ...USUAL, POSTERN_PUBLIC_URL: 'https://files.example' };
    expect(await page('https://x.example/in', env)).toBe(
      'https://x.example/in?return=https%3A%2F%2Ffiles.example$postern_return',
    );
    expect(await page('/login', env)).toBe('/login?return=$postern_return');
  });

  test('--proxy-target: nginx verifies the certificate', async () => {
    const text = await done(['--proxy-target', 'https://bucket.store.example', '--server']);
    const [, location] = directives(parseNginx(text), 'location');
    expect(location?.block?.map(({ words }) => words.join(' '))).toEqual([
      'include postern/internal-proxy.conf',
      'proxy_pass https://bucket.store.example/',
      'proxy_ssl_verify on',
      'proxy_ssl_verify_depth 4',
      'proxy_ssl_trusted_certificate /etc/ssl/certs/ca-certificates.crt',
    ]);
  });
});

describe('nginx: notes on standard error', () => {
  const named = [...FILES, '--server-name', 'files.example'];
  const ttl = { ...USUAL, POSTERN_DECISION_TTL: '2' };
  const url = { ...USUAL, POSTERN_PUBLIC_URL: 'https://files.example' };

  test.each([
    [named, USUAL, ''],
    [FILES, USUAL, ''],
    [[...FILES, '--server'], USUAL, '--server-name'],
    [[...named, '--cache'], USUAL, 'POSTERN_DECISION_TTL'],
    [[...named, '--cache'], ttl, ''],
    [[...named, '--cache', '--x-accel'], ttl, 'no effect with --x-accel'],
    [[...named, '--login', '/login', '--x-accel'], USUAL, 'no effect with --x-accel'],
    [[...named, '--login', '/login'], USUAL, ''],
    [[...named, '--login', 'https://x.example/'], USUAL, 'POSTERN_PUBLIC_URL'],
    [[...named, '--login', 'https://x.example/'], url, ''],
  ])('%j', async (words, env, says) => {
    const { code, stderr } = await run(words, env);
    expect({ code, notes: stderr.match(/^postern: note: /gm)?.length ?? 0 }).toEqual({
      code: 0,
      notes: says === '' ? 0 : 1,
    });
    expect(stderr).toContain(says);
  });
});

describe('nginx: invalid options exit with 2, all reported at once', () => {
  test('an invalid configuration of the service', async () => {
    const said = await refused(FILES, { POSTERN_MOUNTS: '/a/=/a/', POSTERN_EXPIRES_IN: 'x' });
    expect(said).toContain('POSTERN_MOUNTS');
    expect(said).toContain('POSTERN_EXPIRES_IN');
    const nested = await refused(FILES, { POSTERN_MOUNTS: '/a/=/p/,/b/=/p/sub/' });
    expect(nested).toContain('not below /p/');
    expect(await refused(FILES, {})).toContain('at least one mount');
    expect(await refused(FILES, { ...USUAL, POSTERN_CONFIG: 'none.yaml' })).toContain('none.yaml');
  });

  test('API keys are not needed, and POSTERN_API_KEY is not an error', async () => {
    await done(FILES, { ...USUAL, POSTERN_API: 'http://127.0.0.1:1', POSTERN_API_KEY: 'x' });
  });

  test('reads mounts from POSTERN_CONFIG', async () => {
    const yaml = 'mounts:\n  - public: "/d #;{$x}/"\n    internal: /protected/\n';
    await writeFile(join(folder, 'postern.yaml'), yaml);
    const all = await sites(FILES, { POSTERN_CONFIG: 'postern.yaml' });
    expect(all[0]?.[1]).toHaveProperty(['/d #;{$x}/']);
  });

  test.each([
    [[], '--files', '--files /srv/files'],
    [['--files', '/a', '--files', '/b'], '--files', 'only one folder'],
    [['--files', '/a', '--proxy-target', 'http://b'], '--proxy-target', 'only one folder'],
    [['--files', '/nope/=/a'], '--files', 'a folder'],
    [['--files', '/'], '--files', 'a folder'],
    [['--files', '/srv/../etc'], '--files', 'a folder'],
    [['--files', 'srv'], '--files', 'absolute path'],
    [['--files', '/srv/$uri'], '--files', 'a folder'],
    [[...SERVER, '--listen', '80', '--listen', '*:80'], '--listen', 'each address once'],
    [[...SERVER, '--listen', '[::]:80', '--listen', '[0::0]:80'], '--listen', 'each address once'],
    [[...SERVER, '--listen', '80 default_server'], '--listen', '127.0.0.1:8080'],
    [[...SERVER, '--tls-key', '/a'], '--tls-certificate', 'a file in PEM'],
    [[...SERVER, '--tls-certificate', 'a.pem', '--tls-key', '/a'], '--tls-certificate', 'absolute'],
    [
      [...SERVER, '--tls-certificate', '/a', '--tls-key', '/b', '--listen', '[::]:80'],
      '--listen',
      'another port than 80',
    ],
    [
      [...FILES, '--server-name', 'a.example,b.example', '--server-name', 'b.example'],
      '--server-name',
      'once',
    ],
    [[...FILES, '--cache', 'cache'], '--cache', 'absolute path'],
    [[...SERVER, '--listen', '0'], '--listen', '127.0.0.1:8080'],
    [[...FILES, '--server-name', '~^x$'], '--server-name', 'no regular expression'],
    [[...FILES, '--server-name', '*.x.*'], '--server-name', 'one *'],
    [[...FILES, '--cors', '*'], '--cors', 'https://app.example'],
    [[...FILES, '--cors', 'null'], '--cors', 'https://app.example'],
    [[...FILES, '--cors', 'https://App.example'], '--cors', 'in lower case'],
    [[...FILES, '--cors', 'https://app.example/'], '--cors', 'without path'],
    [[...FILES, '--cors', 'https://app.example:443'], '--cors', 'as browsers send it'],
    [[...FILES, '--login', '//evil.example'], '--login', 'a path of this site'],
    [[...FILES, '--login', 'javascript:alert(1)'], '--login', 'a path of this site'],
    [[...FILES, '--login', 'https://u:p@login.example/'], '--login', 'without user'],
    [[...FILES, '--limit-conn', '65536'], '--limit-conn', '1 to 65535'],
    [[...FILES, '--instances', '0'], '--instances', '1 to 64'],
    [[...FILES, '--instances', '65'], '--instances', '1 to 64'],
    [[...FILES, '--instances', '1.5'], '--instances', '1 to 64'],
    [[...FILES, '--instances', '1;'], '--instances', '1 to 64'],
    [[...FILES, '--instances', '01'], '--instances', '1 to 64'],
    [[...FILES, '--upstream', '127.0.0.300:1'], '--upstream', 'unix:'],
    [[...FILES, '--upstream', '[fe80::1%eth0]:1'], '--upstream', 'unix:'],
    [[...FILES, '--upstream', '[1:2:3:4:5:6:7::]:1'], '--upstream', 'unix:'],
    [[...FILES, '--upstream', 'unix:relative'], '--upstream', 'unix:'],
    [['--proxy-target', 'https://u:p@store.example/'], '--proxy-target', 'without user'],
    [['--proxy-target', 'https://store.example/?x=y'], '--proxy-target', 'without user, query'],
    [['--proxy-target', 'https://store.example/a/../b'], '--proxy-target', '..'],
    [[...FILES, '--log', '/a b'], '--log', 'absolute path'],
    [[...FILES, '--log', 'json'], '--log', 'or off'],
  ])('%j', async (words, option, says) => {
    const said = await refused(words);
    expect(said).toContain(`\n  ${option}\n`);
    expect(said).toContain(says);
  });

  test('a folder without its prefix, with several prefixes', async () => {
    const env = { POSTERN_MOUNTS: '/a/=/x/,/b/=/y/' };
    expect(await refused(FILES, env)).toContain('/x/=/srv/files or /y/=/srv/files');
    const said = await refused(['--files', '/x/=/srv/a'], env);
    expect(said).toContain('the files of /y/');
    expect(said).toContain('--files /y/=/srv/files');
    expect(said).not.toContain('the files of /x/');
  });

  test('a site that nginx rejects', async () => {
    const env = { POSTERN_MOUNTS: '*.x.*:/a/=/b/' };
    expect(await refused(FILES, env)).toContain('the site of a mount');
  });

  test('all errors in one report, with control characters escaped', async () => {
    const words = ['--files', '/\u001b[2J', '--server', '--listen', '\u202e', '--limit-conn', 'x'];
    const said = await refused(words);
    for (const option of ['--files', '--listen', '--limit-conn']) expect(said).toContain(option);
    expect(said).not.toMatch(/(?!\n)[\p{Cc}\p{Cf}]/u);
  });
});

describe('nginx --out', () => {
  const OUT = [...FILES, '--out', 'nginx'];
  const text = (name: string) => readFile(join(folder, 'nginx', name), 'utf8');
  const site = 'postern/sites/_.conf';

  test('writes the site and its snippets, and lists them', async () => {
    const said = await done(OUT);
    const names = [
      'auth-request',
      'cors-headers',
      'denials',
      'file',
      'gate',
      'http',
      'internal',
      'public',
    ];
    const wrote = (await readdir(join(folder, 'nginx', 'postern'))).sort();
    const snippets = names.map((name) => `${name}.conf`);
    expect(wrote).toEqual([...snippets, 'local.conf', 'protect.conf', 'sites'].sort());
    const all = 12;
    expect(await readdir(join(folder, 'nginx', 'conf.d'))).toEqual(['00-postern.conf']);
    expect(said.match(/^wrote nginx\/\S+$/gm)).toHaveLength(all);
    expect(said).toMatch(/wrote nginx\/postern\/sites\/_\.conf\n$/);
    expect((await stat(join(folder, 'nginx', site))).mode & 0o777).toBe(0o644);
    // The same for any folder, and when it is repeated.
    expect(await text(site)).not.toContain('--out');
    const again = (await done([...OUT, '--force'])).trimEnd().split('\n');
    expect(again).toHaveLength(all - 1);
    for (const line of again) expect(line).toMatch(/^\S+ is unchanged$/);
  });

  test('overwrites files that differ only with --force', async () => {
    await done(OUT);
    await writeFile(join(folder, 'nginx', site), 'mine');
    await writeFile(join(folder, 'nginx', 'postern', 'http.conf'), 'mine');
    await rm(join(folder, 'nginx', 'postern', 'protect.conf'));
    const { code, stdout, stderr } = await run(OUT);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain(`nginx/${site}`);
    expect(stderr).toContain('nginx/postern/http.conf');
    expect(stderr).not.toContain('gate.conf');
    expect(stderr).toContain('--force');
    expect(await text(site)).toBe('mine');
    expect(await readdir(join(folder, 'nginx', 'postern'))).not.toContain('protect.conf');

    const said = JSON.parse(await done([...OUT, '--force', '--json']));
    expect(said.written.sort()).toEqual([
      'nginx/postern/http.conf',
      'nginx/postern/protect.conf',
      `nginx/${site}`,
    ]);
    expect(said.unchanged).toHaveLength(8);
    expect(await text(site)).toContain('location ^~ /download/ {');
  });

  test.each([
    ['conf.d/00-postern.conf', '../../private'],
    ['conf.d/00-postern.conf', '../../nowhere'],
    ['conf.d', '..'],
    ['postern', '../elsewhere'],
    ['postern/sites', '../../elsewhere'],
  ])('neither reads nor writes through the symbolic link %s to %s', async (link, to) => {
    await mkdir(join(folder, 'elsewhere'));
    await writeFile(join(folder, 'private'), 'mine');
    await mkdir(join(folder, 'nginx', dirname(link)), { recursive: true });
    await symlink(to, join(folder, 'nginx', link));
    const before = (await readdir(folder, { recursive: true })).sort();
    for (const force of [[], ['--force']]) {
      const { code, stdout, stderr } = await run([...OUT, ...force]);
      expect([code, stdout]).toEqual([1, '']);
      expect(stderr).toContain(`nginx/${link} is a symbolic link`);
      expect(stderr).not.toContain('mine');
    }
    expect((await readdir(folder, { recursive: true })).sort()).toEqual(before);
    expect(await readFile(join(folder, 'private'), 'utf8')).toBe('mine');
  });

  test.each(['./nginx', 'nginx/', './/nginx', 'nginx/../nginx'])(
    'writes through no symbolic link if the folder is given as %s',
    async (out) => {
      await mkdir(join(folder, 'elsewhere'));
      await mkdir(join(folder, 'nginx'));
      await symlink('../elsewhere', join(folder, 'nginx', 'postern'));
      const { code, stderr } = await run([...OUT, '--out', out, '--force']);
      expect(await readdir(join(folder, 'elsewhere'))).toEqual([]);
      expect([code, stderr]).toEqual([1, expect.stringContaining('is a symbolic link')]);
    },
  );

  test('does not wait for a named pipe in place of a file', async () => {
    await mkdir(join(folder, 'nginx', 'conf.d'), { recursive: true });
    execFileSync('mkfifo', [join(folder, 'nginx', 'conf.d/00-postern.conf')]);
    const { code, stderr } = await run([...OUT, '--force']);
    expect([code, stderr]).toEqual([1, expect.stringContaining('00-postern.conf is not a file')]);
  });

  test('the folder itself may be a symbolic link', async () => {
    await mkdir(join(folder, 'elsewhere'));
    await symlink('elsewhere', join(folder, 'nginx'));
    await done(OUT);
    expect(await readdir(join(folder, 'elsewhere'))).toContain('postern');
  });

  test('nginx can read the files that a user with umask 077 writes', async () => {
    const command = `umask 077 && exec "$@"`;
    const words = ['-c', command, 'sh', process.execPath, program, 'nginx', ...OUT];
    execFileSync('sh', words, {
      stdio: 'pipe',
      cwd: folder,
      env: { PATH: process.env.PATH, ...USUAL },
    });
    const names = ['conf.d', 'postern', 'postern/sites', site, 'postern/http.conf'];
    const modes = names.map(async (name) => (await stat(join(folder, 'nginx', name))).mode & 0o777);
    expect(await Promise.all(modes)).toEqual([0o755, 0o755, 0o755, 0o644, 0o644]);
  });

  test('local.conf is written once, and never replaced', async () => {
    await done(OUT);
    await writeFile(join(folder, 'nginx', 'postern', 'local.conf'), '# mine');
    await done([...OUT, '--force']);
    expect(await text('postern/local.conf')).toBe('# mine');
  });

  test('an option that has no effect is a usage error', async () => {
    expect(await refused([...FILES, '--force'])).toContain('--out');
    expect(await refused([...FILES, '--listen', '80'])).toContain('--server');
    expect(await refused([...FILES, '--no-redirect'])).toContain('--server');
    expect(await refused(['--upgrade'])).toContain('--out');
    expect(await refused([...OUT, '--upgrade'])).toContain('--files has no effect');
  });

  test('writes all files or none', async () => {
    await mkdir(join(folder, 'nginx'));
    await writeFile(join(folder, 'nginx', 'conf.d'), 'a file');
    const { code, stdout, stderr } = await run(OUT);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^postern: nginx cannot be written: .*\n$/);
    expect(await readdir(join(folder, 'nginx', 'postern')).catch(() => [])).toEqual([]);
  });

  test('a folder that cannot be written is an error', async ({ skip }) => {
    if (isRoot) skip('root can write everywhere');
    await mkdir(join(folder, 'nginx'));
    await chmod(join(folder, 'nginx'), 0o555);
    expect(await run(OUT)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('permission denied'),
    });
  });

  test('nginx: the output contains only mounts, gate and public URL of the configuration', async () => {
    const env = {
      ...USUAL,
      POSTERN_API_KEYS: 'web:the-s3cret-of-a-client',
      POSTERN_STORE: 'redis://user:s3cret@127.0.0.1:6379/0',
    };
    expect(await done([...FILES, '--json'], env)).not.toContain('s3cret');
  });
});
