import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../service/config/config.ts';
import { selfSigned } from '../support/certificate.ts';
import { errorOf, issuesOf, load, MOUNTS } from './load.ts';

test.each([
  ...['memory:', 'redis://127.0.0.1', 'redis://127.0.0.1:6379/', 'redis://redis.example:6379/15'],
  ...['redis://[::1]:6379/0', 'redis://user:p%40ss%2Fword@redis.example:6379/0'],
  ...['redis://:p@ss@redis.example', 'rediss://redis.example:6380'],
  ...['redis+sentinel://user:p%40ss@a.example,b.example:26380/main/1'],
  ...['rediss+cluster://a.example,[::1]:7000', 'redis+unix:///run/redis.sock'],
  ...['redis+unix://user:p%40ss@/run/redis/a.sock'],
])('config: the store URL %s is accepted', (url) => {
  expect(load({ POSTERN_STORE: url }).store.url).toBe(url);
});

test.each([
  ['memory', 'memory:'],
  ['memory://', 'memory:'],
  ['127.0.0.1:6379', 'redis://'],
  ['http://redis.example', 'redis://'],
  // The client would connect without TLS.
  ['REDISS://a:6379', 'rediss://'],
  ['redis:/redis.example', 'redis://'],
  ['redis://', 'one host'],
  ['redis:///0', 'one host'],
  ['redis://a,b', 'one host'],
  ['redis://a:0', 'port'],
  ['redis://a:65536', 'a URL'],
  ['redis://a:b', 'a URL'],
  ['redis://a/b', 'number'],
  ['redis://a/0/1', 'number'],
  ['redis://a/0?db=1', '%3F'],
  ['redis://a/0#b', '%23'],
  [' redis://a', 'redis://'],
  ['redis://a/0 ', 'spaces'],
  ['redis://:secret@redis.example:6379/x', 'number'],
  ['redis://:sec/ret@redis.example:6379/0', 'percent'],
  ['redis://:sec#ret@redis.example', 'percent'],
  ['redis://:%zz@redis.example', '%25'],
  ['rediss+unix:///run/redis.sock', 'without TLS'],
  ['redis+unix://run/redis.sock', 'three slashes'],
  ['redis+unix://:secret@/', 'path of a socket'],
  ['redis+unix:///run/redis.sock/', 'path of a socket'],
  ['redis+unix:///run/redis.sock?db=1', '%3F'],
  ['redis+sentinel://:secret@a,b', "master's name"],
  ['redis+sentinel://a,b', "master's name"],
  ['redis+sentinel://a,b/', "master's name"],
  ['redis+sentinel://a,b/x y', 'spaces'],
  ['redis+sentinel://a,b/é', "master's name"],
  ['redis+sentinel://a,b/main/x', 'database number'],
  ['redis+sentinel://a,b/main/0/1', 'database number'],
  ['redis+sentinel://a,,b/main', 'commas'],
  ['redis+sentinel://a:0,b/main', '65535'],
  ['redis+sentinel:///main', 'commas'],
  ['redis+cluster://a,b?x', '%3F'],
  ['redis+cluster://', 'commas'],
  ['redis+cluster://[::g]', 'commas'],
  ['redis+cluster://se/cret@a', 'percent'],
  ['redis+cluster://:%zz@a', '%25'],
  ['redis+Cluster://a', 'redis+cluster://'],
  ['redis+sentinels://a/main', 'redis+sentinel://'],
  ['redis+cluster://a,b/0', 'no database numbers'],
])('config: the store URL %s is rejected, and not shown', (url, expected) => {
  const issues = issuesOf({ POSTERN_STORE: url });
  expect(issues).toEqual([{ field: 'POSTERN_STORE', expected: expect.stringContaining(expected) }]);
  expect(JSON.stringify(issues)).not.toMatch(/cret|zz/);
});

describe('config: files of the store', () => {
  const [one, other] = [selfSigned('redis.example'), selfSigned('redis.example')];
  const FILES: Record<string, string> = {
    'password.txt': 'pass wörd\n',
    'empty.txt': '\n',
    'two-lines.txt': 'secret-a\nsecret-b\n',
    'ca.pem': other.certificate + one.certificate,
    'client.pem': one.certificate,
    'client.key': one.key,
    'other.key': other.key,
    'text.pem': 'secret-text',
  };

  function loaded(env: Record<string, string>) {
    const readFile = (path: string) => {
      const text = FILES[path];
      if (text === undefined) throw Object.assign(new Error('none'), { code: 'ENOENT' });
      return text;
    };
    const variables = Object.entries(env).map(([name, value]) => [`POSTERN_${name}`, value]);
    const all = { ...MOUNTS, ...Object.fromEntries(variables) };
    return loadConfig(all, readFile, { onTerminal: true }).store;
  }

  test('are read, and the password is without its line break', () => {
    const url = 'rediss+sentinel://user@a,b/main';
    const files = {
      STORE_PASSWORD_FILE: 'password.txt',
      STORE_CA_FILE: 'ca.pem',
      STORE_CERT_FILE: 'client.pem',
      STORE_KEY_FILE: 'client.key',
    };
    const names = { STORE_SERVER_NAME: 'redis.example', SENTINEL_USERNAME: 'watcher' };
    const store = loaded({ STORE: url, ...files, ...names, SENTINEL_PASSWORD: 'p' });
    const pem = { ca: FILES['ca.pem'], cert: FILES['client.pem'], key: FILES['client.key'] };
    expect(store).toEqual({
      ...{ url, prefix: 'postern:', timeoutMs: 250, replicas: 0, password: 'pass wörd' },
      tls: { ...pem, serverName: 'redis.example' },
      sentinel: { username: 'watcher', password: 'p' },
    });
  });

  const TLS = { STORE: 'rediss://a' };
  const PLAIN = { STORE: 'redis://a' };
  const WATCHED = { STORE: 'redis+sentinel://a/main' };
  const PASSWORD = { STORE_PASSWORD_FILE: 'password.txt' };
  const CERT = { ...TLS, STORE_CERT_FILE: 'client.pem' };
  test.each<[Record<string, string>, string, RegExp]>([
    [{ ...PLAIN, STORE_CA_FILE: 'ca.pem' }, 'STORE_CA_FILE', /begins with rediss/],
    [{ STORE: 'redis+cluster://a', STORE_SERVER_NAME: 'a' }, 'STORE_SERVER_NAME', /rediss/],
    [{ STORE: 'redis+cluster://a', SENTINEL_PASSWORD: 'p' }, 'SENTINEL_PASSWORD', /\+sentinel/],
    [{ ...WATCHED, SENTINEL_USERNAME: 'p' }, 'SENTINEL_USERNAME', /POSTERN_SENTINEL_PASSWORD/],
    [{ STORE_REPLICAS: '1' }, 'STORE_REPLICAS', /0, or a URL of Redis/],
    [PASSWORD, 'STORE_PASSWORD_FILE', /URL of Redis/],
    [{ STORE: 'redis://:p@a', ...PASSWORD }, 'STORE_PASSWORD_FILE', /without a password/],
    [{ ...PLAIN, STORE_PASSWORD_FILE: 'none' }, 'STORE_PASSWORD_FILE', /does not exist/],
    [{ ...PLAIN, STORE_PASSWORD_FILE: 'empty.txt' }, 'STORE_PASSWORD_FILE', /one line/],
    [{ ...PLAIN, STORE_PASSWORD_FILE: 'two-lines.txt' }, 'STORE_PASSWORD_FILE', /one line/],
    [{ ...TLS, STORE_CA_FILE: 'text.pem' }, 'STORE_CA_FILE', /PEM/],
    [CERT, 'STORE_KEY_FILE', /needs its key/],
    [{ ...TLS, STORE_KEY_FILE: 'client.key' }, 'STORE_CERT_FILE', /needs its key/],
    [{ ...CERT, STORE_KEY_FILE: 'other.key' }, 'STORE_KEY_FILE', /of POSTERN_STORE_CERT_FILE/],
    [{ ...CERT, STORE_KEY_FILE: 'client.pem' }, 'STORE_KEY_FILE', /private key/],
    [{ ...TLS, STORE_SERVER_NAME: 'a b' }, 'STORE_SERVER_NAME', /host name/],
  ])('%j is rejected', (env, name, message) => {
    const error = errorOf(() => loaded(env));
    const expected = expect.stringMatching(message);
    expect(error.issues).toEqual([expect.objectContaining({ field: `POSTERN_${name}`, expected })]);
    expect(error.message).not.toMatch(/secret-|pass wörd/);
  });

  test.each(['STORE_PASSWORD_FILE', 'STORE_KEY_FILE', 'SENTINEL_PASSWORD'])(
    'a secret instead of the path in %s is not shown',
    (name) => {
      const { message } = errorOf(() => loaded({ [name]: 'secret-x' }));
      expect(message).toContain(name);
      expect(message).not.toContain('secret-x');
    },
  );
});
