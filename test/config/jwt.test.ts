import { expect, test } from 'vitest';
import { fileIssues, issuesOf, load, loadFile } from './load.ts';

const MOUNTS = 'mounts: [{ public: /download/, internal: /protected/ }]\n';

test('config: with signing keys the default format is jwt', () => {
  const keys = { POSTERN_JWT_KEYS: '/etc/postern/keys.json' };
  expect(load(keys)).toMatchObject({ format: 'opaque', jwtKeys: '/etc/postern/keys.json' });
  expect(load({ ...keys, POSTERN_FORMAT: 'jwt' }).format).toBe('jwt');
  const file = `${MOUNTS}jwt_keys: keys.json`;
  expect(loadFile(file, { POSTERN_FORMAT: 'jwt' })).toMatchObject({
    format: 'jwt',
    jwtKeys: 'keys.json',
  });
});

test('config: the format jwt without signing keys is an error', () => {
  expect(issuesOf({ POSTERN_FORMAT: 'jwt' })).toEqual([
    {
      field: 'POSTERN_FORMAT',
      value: '"jwt"',
      expected: expect.stringMatching(/POSTERN_JWT_KEYS .*postern key generate --out/),
    },
  ]);
  expect(fileIssues(`${MOUNTS}format: jwt`)).toMatchObject([
    { field: 'format', where: 'postern.yaml:2' },
  ]);
  // The keys may be in a value that cannot be read, or that already has an issue.
  expect(issuesOf({ POSTERN_FORMAT: 'jwt', POSTERN_CONFIG: 'none' })).toMatchObject([
    { field: 'POSTERN_CONFIG' },
  ]);
  expect(issuesOf({ POSTERN_FORMAT: 'jwt', POSTERN_JWT_KEYS: '{}' })).toMatchObject([
    { field: 'POSTERN_JWT_KEYS' },
  ]);
});

test.each(['JWT', 'jws', 'opaque ', 'valueof'])('config: the format %s is rejected', (value) => {
  expect(issuesOf({ POSTERN_FORMAT: value, POSTERN_JWT_KEYS: 'a' })).toEqual([
    { field: 'POSTERN_FORMAT', value: JSON.stringify(value), expected: 'opaque or jwt' },
  ]);
});

test.each([
  '{"keys":[{"kty":"OKP","d":"a-s3cret"}]}',
  '[{"kty":"oct","k":"a-s3cret"}]',
  '-----BEGIN PRIVATE KEY-----',
  `MC4CAQAwBQYDK2VwBCIEI${'a/b+'.repeat(10)}==`,
  'https://a-s3cret.example/keys.json',
  'keys.json\n',
  ' keys.json',
])(
  'config: keys instead of the path of a key file are an error that does not show them: %j',
  (value) => {
    expect(issuesOf({ POSTERN_JWT_KEYS: value })).toEqual([
      { field: 'POSTERN_JWT_KEYS', expected: expect.stringContaining('/etc/postern/keys.json') },
    ]);
  },
);

test('config: an error does not show keys in the configuration file', () => {
  const yaml = `${MOUNTS}jwt_keys: { keys: [{ kty: oct, k: a-s3cret }] }`;
  const issues = fileIssues(yaml);
  expect(issues).toMatchObject([{ field: 'jwt_keys', value: 'a mapping' }]);
  expect(JSON.stringify(issues)).not.toContain('s3cret');
});

test('config: the default issuer is the public URL', () => {
  expect(load({}).issuer).toBe('postern');
  const url = { POSTERN_PUBLIC_URL: 'https://Files.example/' };
  expect(load(url).issuer).toBe('https://files.example');
  for (const issuer of ['a', 'https://files.example/', '!~', 'x'.repeat(255)]) {
    expect(load({ ...url, POSTERN_ISSUER: issuer }).issuer).toBe(issuer);
  }
});

test.each(['a b', ' a', 'ä', 'a\x7f', 'x'.repeat(256)])(
  'config: the issuer %j is rejected',
  (value) => {
    expect(issuesOf({ POSTERN_ISSUER: value })).toMatchObject([
      { field: 'POSTERN_ISSUER', expected: expect.stringContaining('1 to 255 ASCII') },
    ]);
  },
);

test('config: an issuer in the file must be text', () => {
  expect(fileIssues(`${MOUNTS}issuer: 5`)).toMatchObject([{ field: 'issuer' }]);
});
