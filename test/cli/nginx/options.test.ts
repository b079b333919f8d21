import { describe, expect, test } from 'vitest';
import { FILES, inFolder, USUAL } from './machine.ts';

const { run, done, refused } = inFolder();
const SERVER = [...FILES, '--server'];
const TLS = [...SERVER, '--tls-certificate', '/a', '--tls-key', '/b'];

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
    [[...TLS, '--listen', '[::]:80'], '--listen', 'another port than 80'],
    [[...FILES, '--server-name', 'a.example,b.example,b.example'], '--server-name', 'once'],
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
    ...['0', '65', '1.5', '1;', '01'].map((count): [string[], string, string] => {
      return [[...FILES, '--instances', count], '--instances', '1 to 64'];
    }),
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
