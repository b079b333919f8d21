import { expect, test } from 'vitest';
import { loadConfig } from '../../service/config/config.ts';
import { selfSigned } from '../support/certificate.ts';
import { errorOf, MOUNTS } from './load.ts';

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
  return loadConfig({ ...MOUNTS, ...Object.fromEntries(variables) }, readFile, {
    onTerminal: true,
  }).store;
}

const SENTINEL = 'rediss+sentinel://user@a,b/main';

test('config: store files are read, and the password is without its line break', () => {
  expect(
    loaded({
      STORE: SENTINEL,
      STORE_PASSWORD_FILE: 'password.txt',
      STORE_CA_FILE: 'ca.pem',
      STORE_CERT_FILE: 'client.pem',
      STORE_KEY_FILE: 'client.key',
      STORE_SERVER_NAME: 'redis.example',
      SENTINEL_USERNAME: 'watcher',
      SENTINEL_PASSWORD: 'p',
    }),
  ).toEqual({
    url: SENTINEL,
    prefix: 'postern:',
    timeoutMs: 250,
    replicas: 0,
    password: 'pass wörd',
    tls: {
      ca: FILES['ca.pem'],
      cert: FILES['client.pem'],
      key: FILES['client.key'],
      serverName: 'redis.example',
    },
    sentinel: { username: 'watcher', password: 'p' },
  });
});

test.each<[Record<string, string>, string, RegExp]>([
  [{ STORE: 'redis://a', STORE_CA_FILE: 'ca.pem' }, 'STORE_CA_FILE', /begins with rediss/],
  [{ STORE: 'redis+cluster://a', STORE_SERVER_NAME: 'a' }, 'STORE_SERVER_NAME', /rediss/],
  [{ STORE: 'redis+cluster://a', SENTINEL_PASSWORD: 'p' }, 'SENTINEL_PASSWORD', /redis\+sentinel/],
  [
    { STORE: 'redis+sentinel://a/main', SENTINEL_USERNAME: 'p' },
    'SENTINEL_USERNAME',
    /POSTERN_SENTINEL_PASSWORD/,
  ],
  [{ STORE_REPLICAS: '1' }, 'STORE_REPLICAS', /0, or a URL of Redis/],
  [{ STORE_PASSWORD_FILE: 'password.txt' }, 'STORE_PASSWORD_FILE', /URL of Redis/],
  [
    { STORE: 'redis://:p@a', STORE_PASSWORD_FILE: 'password.txt' },
    'STORE_PASSWORD_FILE',
    /without a password/,
  ],
  [{ STORE: 'redis://a', STORE_PASSWORD_FILE: 'none' }, 'STORE_PASSWORD_FILE', /does not exist/],
  [{ STORE: 'redis://a', STORE_PASSWORD_FILE: 'empty.txt' }, 'STORE_PASSWORD_FILE', /one line/],
  [{ STORE: 'redis://a', STORE_PASSWORD_FILE: 'two-lines.txt' }, 'STORE_PASSWORD_FILE', /one line/],
  [{ STORE: 'rediss://a', STORE_CA_FILE: 'text.pem' }, 'STORE_CA_FILE', /PEM/],
  [{ STORE: 'rediss://a', STORE_CERT_FILE: 'client.pem' }, 'STORE_KEY_FILE', /needs its key/],
  [{ STORE: 'rediss://a', STORE_KEY_FILE: 'client.key' }, 'STORE_CERT_FILE', /needs its key/],
  [
    { STORE: 'rediss://a', STORE_CERT_FILE: 'client.pem', STORE_KEY_FILE: 'other.key' },
    'STORE_KEY_FILE',
    /private key of POSTERN_STORE_CERT_FILE/,
  ],
  [
    { STORE: 'rediss://a', STORE_CERT_FILE: 'client.pem', STORE_KEY_FILE: 'client.pem' },
    'STORE_KEY_FILE',
    /private key/,
  ],
  [{ STORE: 'rediss://a', STORE_SERVER_NAME: 'a b' }, 'STORE_SERVER_NAME', /host name/],
])('config: store access %j is rejected', (env, field, expected) => {
  const error = errorOf(() => ({ store: loaded(env) }) as never);
  expect(error.issues).toEqual([
    expect.objectContaining({
      field: `POSTERN_${field}`,
      expected: expect.stringMatching(expected),
    }),
  ]);
  expect(error.message).not.toMatch(/secret-|pass wörd/);
});

test('config: no error shows a secret that was given instead of a path', () => {
  for (const name of ['STORE_PASSWORD_FILE', 'STORE_KEY_FILE', 'SENTINEL_PASSWORD']) {
    const error = errorOf(() => ({ store: loaded({ [name]: 'secret-x' }) }) as never);
    expect(error.message).toContain(name);
    expect(error.message).not.toContain('secret-x');
  }
});
