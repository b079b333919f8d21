import { execFileSync } from 'node:child_process';
import { mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { describe, expect, test } from 'vitest';
import { FILES, inFolder, USUAL } from '../../support/cli/machine.ts';
import { program } from '../../support/cli/postern.ts';
import { fieldsOf } from '../../support/fixtures.ts';

const { at, run, done, refused } = inFolder();

describe('nginx --out', () => {
  const OUT = [...FILES, '--out', 'nginx'];
  const text = (name: string) => readFile(at('nginx', name), 'utf8');
  const site = 'postern/sites/_.conf';

  test('writes the site and its snippets, and lists them', async () => {
    const said = await done(OUT);
    const names = 'auth-request cors-headers denials file gate http internal public x-accel'.split(
      ' ',
    );
    const wrote = (await readdir(at('nginx', 'postern'))).sort();
    const snippets = names.map((name) => `${name}.conf`);
    expect(wrote).toEqual([...snippets, 'local.conf', 'protect.conf', 'sites'].sort());
    const all = 13;
    expect(await readdir(at('nginx', 'conf.d'))).toEqual(['00-postern.conf']);
    expect(said.match(/^wrote nginx\/\S+$/gm)).toHaveLength(all);
    expect(said).toMatch(/wrote nginx\/postern\/sites\/_\.conf\n$/);
    expect((await stat(at('nginx', site))).mode & 0o777).toBe(0o644);
    expect(await text(site)).toContain(
      ` postern nginx --files /srv/files --out ${at('nginx')} --force\n`,
    );
    const again = (await done([...OUT, '--force'])).trimEnd().split('\n');
    expect(again).toHaveLength(all - 1);
    for (const line of again) expect(line).toMatch(/^\S+ is unchanged$/);
  });

  test('overwrites files that differ only with --force', async () => {
    await done(OUT);
    await writeFile(at('nginx', site), 'mine');
    await writeFile(at('nginx', 'postern', 'http.conf'), 'mine');
    await rm(at('nginx', 'postern', 'protect.conf'));
    const { code, stdout, stderr } = await run(OUT);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain(`nginx/${site}`);
    expect(stderr).toContain('nginx/postern/http.conf');
    expect(stderr).not.toContain('gate.conf');
    expect(stderr).toContain('--force');
    expect(await text(site)).toBe('mine');
    expect(await readdir(at('nginx', 'postern'))).not.toContain('protect.conf');

    const said = JSON.parse(await done([...OUT, '--force', '--json']));
    expect(said.written.sort()).toEqual([
      'nginx/postern/http.conf',
      'nginx/postern/protect.conf',
      `nginx/${site}`,
    ]);
    expect(said.unchanged).toHaveLength(9);
    expect(await text(site)).toContain('location ^~ /download/ {');
  });

  test.each<[string, string, string?]>([
    ['conf.d/00-postern.conf', '../../private'],
    ['conf.d/00-postern.conf', '../../nowhere'],
    ['conf.d', '..'],
    ['postern/sites', '../../elsewhere'],
    ...['nginx', './nginx', 'nginx/', './/nginx', 'nginx/../nginx'].map(
      (out): [string, string, string] => ['postern', '../elsewhere', out],
    ),
  ])(
    'neither reads nor writes through the symbolic link %s to %s',
    async (link, to, out = 'nginx') => {
      await mkdir(at('elsewhere'));
      await writeFile(at('private'), 'mine');
      await mkdir(at('nginx', dirname(link)), { recursive: true });
      await symlink(to, at('nginx', link));
      const before = (await readdir(at(), { recursive: true })).sort();
      for (const force of [[], ['--force']]) {
        const { code, stdout, stderr } = await run([...OUT, '--out', out, ...force]);
        expect([code, stdout]).toEqual([1, '']);
        expect(stderr).toContain(`nginx/${link} is a symbolic link`);
        expect(stderr).not.toContain('mine');
      }
      expect((await readdir(at(), { recursive: true })).sort()).toEqual(before);
      expect(await readFile(at('private'), 'utf8')).toBe('mine');
    },
  );

  test('does not wait for a named pipe in place of a file', async () => {
    await mkdir(at('nginx', 'conf.d'), { recursive: true });
    execFileSync('mkfifo', [at('nginx', 'conf.d/00-postern.conf')]);
    const { code, stderr } = await run([...OUT, '--force']);
    expect([code, stderr]).toEqual([1, expect.stringContaining('00-postern.conf is not a file')]);
  });

  test('the folder itself may be a symbolic link', async () => {
    await mkdir(at('elsewhere'));
    await symlink('elsewhere', at('nginx'));
    await done(OUT);
    expect(await readdir(at('elsewhere'))).toContain('postern');
  });

  test('nginx can read the files that a user with umask 077 writes', async () => {
    const command = `umask 077 && exec "$@"`;
    const words = ['-c', command, 'sh', process.execPath, program, 'nginx', ...OUT];
    execFileSync('sh', words, {
      stdio: 'pipe',
      cwd: at(),
      env: { PATH: process.env.PATH, ...USUAL },
    });
    const names = ['conf.d', 'postern', 'postern/sites', site, 'postern/http.conf'];
    const modes = names.map(async (name) => (await stat(at('nginx', name))).mode & 0o777);
    expect(await Promise.all(modes)).toEqual([0o755, 0o755, 0o755, 0o644, 0o644]);
  });

  test('local.conf is written once, and never replaced', async () => {
    await done(OUT);
    await writeFile(at('nginx', 'postern', 'local.conf'), '# mine');
    await done([...OUT, '--force']);
    expect(await text('postern/local.conf')).toBe('# mine');
  });

  test('an option that has no effect is a usage error', async () => {
    expect(await refused([...FILES, '--force'])).toContain('--out');
    expect(await refused([...FILES, '--listen', '80'])).toContain('--server');
    expect(await refused(['--upgrade'])).toContain('--out');
    expect(await refused([...OUT, '--upgrade'])).toContain('--files has no effect');
  });

  test('writes all files or none', async () => {
    await mkdir(at('nginx'));
    await writeFile(at('nginx', 'conf.d'), 'a file');
    const { code, stdout, stderr } = await run(OUT);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^postern: nginx cannot be written: .*\n$/);
    expect(await readdir(at('nginx', 'postern')).catch(() => [])).toEqual([]);
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

describe('nginx: notes on standard error', () => {
  const named = [...FILES, '--server-name', 'files.example'];
  const url = { ...USUAL, POSTERN_PUBLIC_URL: 'https://files.example' };

  test.each([
    [named, USUAL, ''],
    [FILES, USUAL, ''],
    [[...FILES, '--server'], USUAL, '--server-name'],
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
    expect(await refused(FILES, { ...USUAL, POSTERN_CONFIG: 'none.yaml' })).toContain('none.yaml');
  });

  test.each(fieldsOf('nginx-options.txt'))(
    '%s: expected %s, not %s',
    async (option, says, line = '') => {
      const words = line.split(' ').filter(Boolean);
      const said = await refused(words.map((word) => word.replace('%20', ' ')));
      expect(said).toContain(`\n  ${option}\n`);
      expect(said).toContain(says);
    },
  );

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
