import { chmod, mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { projectRoot, temporaryFolder } from '../../dev/paths.ts';
import { directives, parseNginx } from '../support/nginx-tree.ts';
import { type Ended, postern } from './postern.ts';

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
function sites(text: string) {
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
const FAILS = 'max_fails=3 fail_timeout=1s';

/** All but the first comment. */
const LEAST = `
include postern/http.conf;

upstream postern {
    # By default one time-out takes a server out for ten seconds: a burst would disable all of them.
    server 127.0.0.1:7300 max_fails=3 fail_timeout=1s;
    # Without it each request costs a connection of its own.
    keepalive 256;
}

server {
    listen 80;
    server_name _;
    access_log /var/log/nginx/access.log postern;

    include postern/auth-request.conf;

    location ^~ /download/ {
        include postern/protect.conf;
    }

    location ^~ /protected/ {
        include postern/internal.conf;
        include postern/headers.conf;
        alias /srv/files/;
    }
}
`;

describe('what is printed', () => {
  test('is what the README has, for one mount', async () => {
    const text = await done(FILES);
    expect(text.slice(text.indexOf('\n\n') + 1)).toBe(LEAST);
  });

  test('is for one site with any name, unless mounts or options name some', async () => {
    const protect = 'postern/protect.conf';
    expect(sites(await done(FILES))).toEqual([
      ['_', { '/download/': protect, '/protected/': '/srv/files/' }],
    ]);
    const env = {
      POSTERN_MOUNTS:
        '/download/=/protected/,Media.example:/media/=/films/,files.example:/download/=/protected/',
    };
    const words = ['--files', '/protected/=/srv/a', '--files', 'media.example:/protected/=/srv/b'];
    const more = ['--files', '/films/=/srv/films', '--server-name', 'other.example'];
    const other = ['--files', 'other.example:/protected/=/srv/c'];
    expect(sites(await done([...words, ...more, ...other], env))).toEqual([
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

  test('says from which version and command line, and where the snippets are', async () => {
    const text = await done([...FILES, '--cache', '--login', '/sign-in?to=']);
    const { version } = JSON.parse(await readFile(join(projectRoot, 'package.json'), 'utf8'));
    expect(text).toContain(`# Made by postern ${version} `);
    expect(text).toContain(
      "#     postern nginx --files /srv/files --cache --login '/sign-in?to='\n",
    );
    expect(text).toContain(`#     ${join(projectRoot, 'nginx', 'snippets')}\n`);
  });

  test('is the same with --json, as the files that it is', async () => {
    const { files } = JSON.parse(await done([...FILES, '--cors', 'https://app.example', '--json']));
    expect(Object.keys(files).at(-1)).toBe('conf.d/postern.conf');
    const included = [...files['conf.d/postern.conf'].matchAll(/include (postern\/\S+);/g)];
    expect(new Set(included.map(([, name]) => name))).toEqual(
      new Set(Object.keys(files).slice(0, -1)),
    );
    expect(files['postern/cors.conf']).toContain('\n    "https://app.example" $http_origin;\n');
    const shipped = join(projectRoot, 'nginx', 'snippets', 'protect.conf');
    expect(files['postern/protect.conf']).toBe(await readFile(shipped, 'utf8'));
  });

  test('asks where Postern listens, or at each --upstream', async () => {
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
    const hostile = { ...USUAL, POSTERN_LISTEN: 'unix:/run/a;b' };
    expect(await refused(FILES, hostile)).toContain('POSTERN_LISTEN (or --upstream)');
  });

  test('brings a browser back to where it came from', async () => {
    const page = async (login: string, env: Env = USUAL) => {
      const { files } = JSON.parse(await done([...FILES, '--login', login, '--json'], env));
      return /default "([^"]*\$postern_return)";/.exec(files['postern/login.conf'])?.[1];
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

  test('verifies the certificate of a storage', async () => {
    const text = await done(['--proxy-target', 'https://bucket.store.example']);
    const [, location] = directives(parseNginx(text), 'location');
    expect(location?.block?.map(({ words }) => words.join(' '))).toEqual([
      'include postern/internal-proxy.conf',
      'include postern/headers.conf',
      'proxy_pass https://bucket.store.example/',
      'proxy_ssl_verify on',
      'proxy_ssl_verify_depth 4',
      'proxy_ssl_trusted_certificate /etc/ssl/certs/ca-certificates.crt',
    ]);
  });
});

describe('notes', () => {
  const named = [...FILES, '--server-name', 'files.example'];
  const ttl = { ...USUAL, POSTERN_DECISION_TTL: '2' };
  const url = { ...USUAL, POSTERN_PUBLIC_URL: 'https://files.example' };

  test.each([
    [named, USUAL, ''],
    [FILES, USUAL, '--server-name'],
    [[...named, '--cache'], USUAL, 'POSTERN_DECISION_TTL'],
    [[...named, '--cache'], ttl, ''],
    [[...named, '--cache', '--x-accel'], ttl, 'X-Accel'],
    [[...named, '--login', '/login', '--x-accel'], USUAL, 'X-Accel'],
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

describe('what is refused, with 2 and all at once', () => {
  test('a configuration with faults, in whatever part', async () => {
    const said = await refused(FILES, { POSTERN_MOUNTS: '/a/=/a/', POSTERN_EXPIRES_IN: 'x' });
    expect(said).toContain('POSTERN_MOUNTS');
    expect(said).toContain('POSTERN_EXPIRES_IN');
    const nested = await refused(FILES, { POSTERN_MOUNTS: '/a/=/p/,/b/=/p/sub/' });
    expect(nested).toContain('not below /p/');
    expect(await refused(FILES, {})).toContain('at least one mount');
    expect(await refused(FILES, { ...USUAL, POSTERN_CONFIG: 'none.yaml' })).toContain('none.yaml');
  });

  test('but no API key is needed, and those of other commands are no fault', async () => {
    await done(FILES, { ...USUAL, POSTERN_API: 'http://127.0.0.1:1', POSTERN_API_KEY: 'x' });
  });

  test('mounts of a file are read', async () => {
    const yaml = 'mounts:\n  - public: "/d #;{$x}/"\n    internal: /protected/\n';
    await writeFile(join(folder, 'postern.yaml'), yaml);
    const text = await done(FILES, { POSTERN_CONFIG: 'postern.yaml' });
    expect(sites(text)[0]?.[1]).toHaveProperty(['/d #;{$x}/']);
  });

  test.each([
    [[], '--files', '--files /srv/files'],
    [['--files', '/a', '--files', '/b'], '--files', 'not another before'],
    [['--files', '/a', '--proxy-target', 'http://b'], '--proxy-target', 'not another before'],
    [['--files', '/nope/=/a'], '--files', 'a folder'],
    [['--files', '/'], '--files', 'a folder'],
    [['--files', '/srv/../etc'], '--files', 'a folder'],
    [['--files', 'srv'], '--files', 'whole path'],
    [['--files', '/srv/$uri'], '--files', 'a folder'],
    [[...FILES, '--listen', '80', '--listen', '*:80'], '--listen', 'each address once'],
    [[...FILES, '--listen', '[::]:80', '--listen', '[0::0]:80'], '--listen', 'each address once'],
    [[...FILES, '--listen', '80 default_server'], '--listen', '127.0.0.1:8080'],
    [[...FILES, '--listen', '0'], '--listen', '127.0.0.1:8080'],
    [[...FILES, '--server-name', '~^x$'], '--server-name', 'no regular expression'],
    [[...FILES, '--server-name', '*.x.*'], '--server-name', 'one *'],
    [[...FILES, '--cors', '*'], '--cors', 'https://app.example'],
    [[...FILES, '--cors', 'null'], '--cors', 'https://app.example'],
    [[...FILES, '--cors', 'https://App.example'], '--cors', 'small letters'],
    [[...FILES, '--cors', 'https://app.example/'], '--cors', 'no path'],
    [[...FILES, '--cors', 'https://app.example:443'], '--cors', 'as browsers send it'],
    [[...FILES, '--login', '//evil.example'], '--login', 'a path of this site'],
    [[...FILES, '--login', 'javascript:alert(1)'], '--login', 'a path of this site'],
    [[...FILES, '--login', 'https://u:p@login.example/'], '--login', 'without user'],
    [[...FILES, '--limit-conn', '65536'], '--limit-conn', '1 to 65535'],
    [[...FILES, '--upstream', '127.0.0.300:1'], '--upstream', 'unix:'],
    [[...FILES, '--upstream', '[fe80::1%eth0]:1'], '--upstream', 'unix:'],
    [[...FILES, '--upstream', '[1:2:3:4:5:6:7::]:1'], '--upstream', 'unix:'],
    [[...FILES, '--upstream', 'unix:relative'], '--upstream', 'unix:'],
    [['--proxy-target', 'https://u:p@store.example/'], '--proxy-target', 'no user'],
    [['--proxy-target', 'https://store.example/?x=y'], '--proxy-target', 'no query'],
    [['--proxy-target', 'https://store.example/a/../b'], '--proxy-target', '..'],
    [[...FILES, '--log-file', '/a b'], '--log-file', 'whole path'],
  ])('%j', async (words, option, says) => {
    const said = await refused(words);
    expect(said).toContain(`\n  ${option}\n`);
    expect(said).toContain(says);
  });

  test('which prefix is meant, where there are several', async () => {
    const env = { POSTERN_MOUNTS: '/a/=/x/,/b/=/y/' };
    expect(await refused(FILES, env)).toContain('/x/=/srv/files or /y/=/srv/files');
    const said = await refused(['--files', '/x/=/srv/a'], env);
    expect(said).toContain('the files of /y/');
    expect(said).toContain('--files /y/=/srv/files');
    expect(said).not.toContain('the files of /x/');
  });

  test('a site that nginx would not take', async () => {
    const env = { POSTERN_MOUNTS: '*.x.*:/a/=/b/' };
    expect(await refused(FILES, env)).toContain('the site of a mount');
  });

  test('all of it in one report, with nothing that a terminal would obey', async () => {
    const words = ['--files', '/\u001b[2J', '--listen', '\u202e', '--limit-conn', 'x'];
    const said = await refused(words);
    for (const option of ['--files', '--listen', '--limit-conn']) expect(said).toContain(option);
    expect(said).not.toMatch(/(?!\n)[\p{Cc}\p{Cf}]/u);
  });
});

describe('--out', () => {
  const OUT = [...FILES, '--out', 'nginx'];
  const text = (name: string) => readFile(join(folder, 'nginx', name), 'utf8');
  const site = 'conf.d/postern.conf';

  test('writes the site and the snippets that it includes, and says so', async () => {
    const said = await done(OUT);
    const names = ['auth-request', 'headers', 'http', 'internal', 'protect'];
    expect((await readdir(join(folder, 'nginx', 'postern'))).sort()).toEqual(
      names.map((name) => `${name}.conf`),
    );
    expect(await readdir(join(folder, 'nginx', 'conf.d'))).toEqual(['postern.conf']);
    expect(said.match(/^wrote nginx\/\S+$/gm)).toHaveLength(6);
    expect(said).toMatch(/wrote nginx\/conf\.d\/postern\.conf\n$/);
    expect((await stat(join(folder, 'nginx', site))).mode & 0o777).toBe(0o644);
    // Whatever folder it is written to, and however often.
    expect(await text(site)).not.toContain('--out');
    expect(await done([...OUT, '--force'])).toMatch(/^(\S+ is as it should be\n){6}$/);
  });

  test('replaces nothing that differs, unless it is told to', async () => {
    await done(OUT);
    await writeFile(join(folder, 'nginx', site), 'mine');
    await writeFile(join(folder, 'nginx', 'postern', 'http.conf'), 'mine');
    await rm(join(folder, 'nginx', 'postern', 'protect.conf'));
    const { code, stdout, stderr } = await run(OUT);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain(`nginx/${site}`);
    expect(stderr).toContain('nginx/postern/http.conf');
    expect(stderr).not.toContain('headers.conf');
    expect(stderr).toContain('--force');
    expect(await text(site)).toBe('mine');
    expect(await readdir(join(folder, 'nginx', 'postern'))).not.toContain('protect.conf');

    const said = JSON.parse(await done([...OUT, '--force', '--json']));
    expect(said.written.sort()).toEqual([
      `nginx/${site}`,
      'nginx/postern/http.conf',
      'nginx/postern/protect.conf',
    ]);
    expect(said.unchanged).toHaveLength(3);
    expect(await text(site)).toContain('server {');
  });

  test('follows a link, and leaves it one', async () => {
    await mkdir(join(folder, 'nginx', 'conf.d'), { recursive: true });
    await writeFile(join(folder, 'real.conf'), 'mine');
    await symlink('../../real.conf', join(folder, 'nginx', site));
    await done([...OUT, '--force']);
    expect(await readFile(join(folder, 'real.conf'), 'utf8')).toContain('server {');
  });

  test('is what --force is for', async () => {
    expect(await refused([...FILES, '--force'])).toContain('--out');
  });

  test('writes all or nothing', async () => {
    await mkdir(join(folder, 'nginx'));
    await writeFile(join(folder, 'nginx', 'conf.d'), 'a file');
    const { code, stdout, stderr } = await run(OUT);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^postern: nginx cannot be written: .*\n$/);
    expect(await readdir(join(folder, 'nginx', 'postern')).catch(() => [])).toEqual([]);
  });

  test.runIf(process.getuid?.() !== 0)('says what may not be written', async () => {
    await mkdir(join(folder, 'nginx'));
    await chmod(join(folder, 'nginx'), 0o555);
    expect(await run(OUT)).toMatchObject({ code: 1, stderr: expect.stringContaining('EACCES') });
  });

  test('no part of the configuration but the mounts, the gate and the URL is in it', async () => {
    const env = {
      ...USUAL,
      POSTERN_API_KEYS: 'web:the-s3cret-of-a-client',
      POSTERN_STORE: 'redis://user:s3cret@127.0.0.1:6379/0',
    };
    expect(await done([...FILES, '--json'], env)).not.toContain('s3cret');
  });
});
