import { describe, expect, test } from 'vitest';
import { fieldsOf, objectOf } from '../support/fixtures.ts';
import {
  errorOf,
  expectIssue,
  fileIssues,
  issuesOf,
  load,
  loadFile,
  loadWith,
} from '../support/load-config.ts';

/** An entry of the variable, or one of its fields. */
const AT = expect.stringMatching(/^POSTERN_MOUNTS\[\d\]/);
const TOKEN = `ps_${'a'.repeat(32)}`;

test('config: POSTERN_MOUNTS', () => {
  const text = '/download/=/protected/, files.Example:/media/=/media-files/,_:/my files/=/f/';
  expect(load({ POSTERN_MOUNTS: text }).mounts).toEqual([
    { id: '/download/', prefix: '/download/', internal: '/protected/', passArguments: [] },
    {
      ...{ id: 'files.example/media/', site: 'files.example', prefix: '/media/' },
      ...{ internal: '/media-files/', passArguments: [] },
    },
    { id: '_/my files/', site: '_', prefix: '/my files/', internal: '/f/', passArguments: [] },
  ]);
});

test('config: mounts of the file', () => {
  const yaml = `
mounts:
  - public: /download/
    internal: /a=b,c/
    site: Files.example
    path_argument: file
    pass_arguments: [start, end]
    max_age: 600
`;
  expect(loadFile(yaml).mounts).toEqual([
    {
      ...{ id: 'files.example/download/', site: 'files.example', prefix: '/download/' },
      ...{ internal: '/a=b,c/', pathArgument: 'file', passArguments: ['start', 'end'] },
      maxAge: 600,
    },
  ]);
});

test.each(fieldsOf('hostile-mounts.txt'))(
  'config: %s: POSTERN_MOUNTS=%s is an error',
  (expected = '', value = '') => {
    const field = value === '' ? 'POSTERN_MOUNTS' : AT;
    expectIssue(issuesOf({ POSTERN_MOUNTS: value }), field, expected);
  },
);

test.each([
  ...['s:/a/=/x/,t:/x/=/z/', '/a/=/ab/', '/a/=/x/,/a/b/=/x/', '/a/=/x/,s:/a/=/y/'],
  ...['/a/=/p/,/a/sub/=/p/sub/', '/a/=/p/,s:/a/sub/=/p/sub/', 's:/a/=/p/,t:/b/=/p/sub/'],
  ...['/a/=/p/,/b/=/p/', '/a/=/p/,/b/=/p-sub/', `/~web/=/b/~${TOKEN}/`],
])('config: the mounts %s are neither a loop nor nested unlike the public ones', (value) => {
  expect(load({ POSTERN_MOUNTS: value }).mounts).toHaveLength(value.split(',').length);
});

test.each(['_', '*.files.example', 'mail.*', '*.a.*', 'xn--bcher-kva.example', '10.0.0.1'])(
  'config: the mount site %s is accepted',
  (site) => {
    expect(load({ POSTERN_MOUNTS: `${site}:/a/=/b/` }).mounts[0]?.site).toBe(site);
  },
);

test('config: each error in POSTERN_MOUNTS names the entry, the field and its value', () => {
  const env = { POSTERN_MOUNTS: '/a/=/p/,/b/=/p/b/,/c/=/y,/d', POSTERN_EXPIRES_IN: 'x' };
  expect(issuesOf(env).map(({ field, value }) => [field, value])).toEqual([
    ['POSTERN_MOUNTS[2].internal', '"/y"'],
    ['POSTERN_MOUNTS[3]', '"/d"'],
    ['POSTERN_EXPIRES_IN', '"x"'],
    ['POSTERN_MOUNTS[1].internal', '"/p/b/"'],
  ]);
});

const ENV = { AWS_ACCESS_KEY_ID: 'AKIA1', AWS_SECRET_ACCESS_KEY: 'QzSecretOfTheBucketZq' };
const STORAGE = {
  ...{ type: 's3', endpoint: 'https://s3.eu-central-1.amazonaws.com', region: 'eu-central-1' },
  ...{ bucket: 'my-media', credentials: 'environment' },
};

type Fields = Record<string, string | undefined>;
const MEDIA = { public: '/media/', internal: '/s3/' };

/** A mount with this storage, and other mounts. JSON is YAML. */
const stored = (fields: Fields = {}, more: object = {}, ...others: object[]) =>
  JSON.stringify({
    mounts: [{ ...MEDIA, ...more, storage: { ...STORAGE, ...fields } }, ...others],
  });

test('storage: credentials from the environment', () => {
  const env = { ...ENV, AWS_SESSION_TOKEN: 'token/+=' };
  const more = { prefix: 'videos/', style: 'virtual-host' };
  const secrets = { secretAccessKey: 'QzSecretOfTheBucketZq', sessionToken: 'token/+=' };
  const storage = { ...STORAGE, ...more, credentials: { accessKeyId: 'AKIA1', ...secrets } };
  const mount = { id: '/media/', prefix: '/media/', internal: '/s3/', passArguments: [] };
  expect(loadFile(stored(more), env).mounts).toEqual([{ ...mount, storage }]);
  const [{ storage: plain } = {}] = loadFile(stored(), { ...ENV, AWS_SESSION_TOKEN: '' }).mounts;
  expect(plain).toMatchObject({ prefix: '', style: 'path' });
  expect(plain?.credentials).not.toHaveProperty('sessionToken');
});

test.each(['http://[::1]:9000', 'http://127.0.0.1:9000', 'http://minio:9000'])(
  'storage: the endpoint %s is accepted',
  (endpoint) => {
    expect(loadFile(stored({ endpoint }), ENV).mounts[0]?.storage?.endpoint).toBe(endpoint);
  },
);

describe('storage: credentials from a file', () => {
  const KEYS = { AccessKeyId: 'AKIA2', SecretAccessKey: 'QzSecretZq' };
  const read = (content: unknown, credentials = '/run/bucket.json') =>
    loadWith(
      {
        '/run/bucket.json': typeof content === 'string' ? content : JSON.stringify(content),
        'postern.yaml': stored({ credentials }),
      },
      { POSTERN_CONFIG: 'postern.yaml', POSTERN_MOUNTS: undefined },
    ).mounts[0]?.storage?.credentials;

  test('as aws configure export-credentials writes them', () => {
    const secrets = { accessKeyId: 'AKIA2', secretAccessKey: 'QzSecretZq' };
    expect(read(KEYS)).toEqual(secrets);
    const session = { Version: 1, SessionToken: 'token', Expiration: '2026-12-01T00:00:00Z' };
    expect(read({ ...KEYS, ...session })).toEqual({ ...secrets, sessionToken: 'token' });
  });

  test.each<[unknown, string, string?]>([
    ['QzSecretZq', 'in AccessKeyId and SecretAccessKey'],
    [null, 'in AccessKeyId and SecretAccessKey'],
    [{ ...KEYS, SecretAccessKey: 'Qz Qz' }, 'in SecretAccessKey'],
    [{ ...KEYS, SessionToken: 'Qz\n' }, 'in SessionToken'],
    [KEYS, 'it does not exist', '/run/QzNo'],
    [KEYS, 'environment, or the path', 'QzSecretZq'],
    [KEYS, 'environment, or the path', ''],
  ])('%j is an error: %s', (content, expected, path) => {
    const { issues, message } = errorOf(() => read(content, path));
    expectIssue(issues, 'mounts[0].storage.credentials', expected);
    expect(message + JSON.stringify(issues)).not.toMatch(/Qz/);
  });
});

test.each([
  ['AWS_ACCESS_KEY_ID', ''],
  ['AWS_SECRET_ACCESS_KEY', undefined],
  ['AWS_SECRET_ACCESS_KEY', 'Qz with spaces'],
  ['AWS_SESSION_TOKEN', 'Qz\nline'],
])('storage: "credentials: environment" with %s=%j is an error', (name, value) => {
  const issues = fileIssues(stored(), { ...ENV, [name]: value });
  const expected = expect.stringMatching(`^environment, .* in ${name}$`);
  expect(issues).toMatchObject([{ field: 'mounts[0].storage.credentials', expected }]);
  expect(JSON.stringify(issues)).not.toContain('Qz');
});

test.each(fieldsOf('hostile-storages.txt'))(
  'storage: %s: expected %s, not %s',
  (field, expected = '', json) => {
    const issues = fileIssues(stored(objectOf(json) as Fields), ENV);
    expectIssue(issues, `mounts[0].storage.${field}`, expected);
    expect(JSON.stringify(issues)).not.toContain('Qz');
  },
);

test('storage: pass_arguments of its mount are an error', () => {
  const issues = fileIssues(stored({}, { pass_arguments: ['versionId'] }), ENV);
  expectIssue(issues, 'mounts[0].pass_arguments', 'signature');
});

test('storage: no other mount of the site has, or is below, its internal prefix', () => {
  for (const [internal, count] of [
    ['/s3/', 1],
    ['/s3/b/', 2],
  ] as const) {
    const issues = fileIssues(stored({}, {}, { public: '/files/', internal }), ENV);
    const found = issues.filter(({ field }) => field.endsWith('.internal'));
    expect(found).toHaveLength(count);
    expect(JSON.stringify(found)).toContain('no other mount has');
  }
  const elsewhere = { ...MEDIA, public: '/files/', site: 'b.example' };
  expect(loadFile(stored({}, { site: 'a.example' }, elsewhere), ENV).mounts).toHaveLength(2);
});
