import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../service/config/config.ts';
import { errorOf, expectIssue, fileIssues, loadFile } from './load.ts';

const ENV = { AWS_ACCESS_KEY_ID: 'AKIA1', AWS_SECRET_ACCESS_KEY: 'QzSecretOfTheBucketZq' };

const FIELDS = {
  type: 's3',
  endpoint: 'https://s3.eu-central-1.amazonaws.com',
  region: 'eu-central-1',
  bucket: 'my-media',
  credentials: 'environment',
};

function yaml(more: Record<string, string | undefined> = {}, mount = '') {
  const fields = Object.entries({ ...FIELDS, ...more }).flatMap(([name, value]) =>
    value === undefined ? [] : [`      ${name}: ${value}`],
  );
  return `mounts:\n  - public: /media/\n    internal: /s3/\n${mount}    storage:\n${fields.join('\n')}\n`;
}

test('config: the storage of a mount, with credentials from the environment', () => {
  const env = { ...ENV, AWS_SESSION_TOKEN: 'token/+=' };
  const more = { prefix: 'videos/', style: 'virtual-host' };
  const { mounts } = loadFile(yaml(more), env);
  const secrets = { secretAccessKey: 'QzSecretOfTheBucketZq', sessionToken: 'token/+=' };
  const storage = { ...FIELDS, ...more, credentials: { accessKeyId: 'AKIA1', ...secrets } };
  const mount = { id: '/media/', prefix: '/media/', internal: '/s3/', passArguments: [] };
  expect(mounts).toEqual([{ ...mount, storage }]);
});

test.each(['http://[::1]:9000', 'http://127.0.0.1:9000', 'http://minio:9000'])(
  'config: the endpoint %s is accepted',
  (endpoint) => {
    expect(loadFile(yaml({ endpoint }), ENV).mounts[0]?.storage?.endpoint).toBe(endpoint);
  },
);

test('config: the storage has no prefix and path style by default, and no session token', () => {
  const [{ storage } = {}] = loadFile(yaml(), { ...ENV, AWS_SESSION_TOKEN: '' }).mounts;
  expect(storage).toMatchObject({ prefix: '', style: 'path' });
  expect(storage?.credentials).not.toHaveProperty('sessionToken');
});

test('config: credentials from the environment and from files exclude each other', () => {
  const both = yaml({ access_key_id: 'AKIA2' });
  expectIssue(fileIssues(both, ENV), 'mounts[0].storage.access_key_id', 'or no credentials');
  // Each error is reported at once.
  expect(fileIssues(both, {}).map(({ field }) => field)).toEqual([
    'mounts[0].storage.credentials',
    'mounts[0].storage.access_key_id',
  ]);
});

describe('config: credentials from files', () => {
  const FILES: Record<string, string> = {
    '/run/secret': 'QzSecretZq\n',
    '/run/token': 'token\r\n',
    '/run/two-lines': 'QzSecretZq\nQzMoreZq\n',
    '/run/empty': '',
  };
  const own = { access_key_id: 'AKIA2', secret_access_key_file: '/run/secret' };
  const KEYS = { credentials: undefined, ...own };
  const read = (more: Record<string, string | undefined> = {}) =>
    loadConfig(
      { POSTERN_CONFIG: 'postern.yaml' },
      (path) => {
        if (path === 'postern.yaml') return yaml({ ...KEYS, ...more });
        if (FILES[path] !== undefined) return FILES[path];
        throw Object.assign(new Error('ENOENT'), { code: 'ENOENT' });
      },
      { onTerminal: true },
    );

  test('a secret key and a session token', () => {
    const [{ storage } = {}] = read({ session_token_file: '/run/token' }).mounts;
    expect(storage?.credentials).toEqual({
      accessKeyId: 'AKIA2',
      secretAccessKey: 'QzSecretZq',
      sessionToken: 'token',
    });
  });

  test.each([
    ['secret_access_key_file', { secret_access_key_file: '/run/no' }, 'it does not exist'],
    ['secret_access_key_file', { secret_access_key_file: '/run/two-lines' }, 'on one line'],
    ['secret_access_key_file', { secret_access_key_file: '/run/empty' }, 'on one line'],
    ['secret_access_key_file', { secret_access_key_file: undefined }, 'secret access key'],
    ['session_token_file', { session_token_file: '/run/no' }, 'it does not exist'],
    ['credentials', { access_key_id: undefined }, 'environment; or set'],
  ])('%s is an error: %s', (field, more, expected) => {
    const { issues, message } = errorOf(() => read(more));
    expect(issues.map((issue) => issue.field)).toContain(`mounts[0].storage.${field}`);
    expect(message).toContain(expected);
    expect(message + JSON.stringify(issues)).not.toMatch(/Qz/);
  });
});

test.each([
  ['AWS_ACCESS_KEY_ID', { AWS_ACCESS_KEY_ID: '' }],
  ['AWS_SECRET_ACCESS_KEY', { AWS_SECRET_ACCESS_KEY: undefined }],
  ['AWS_SECRET_ACCESS_KEY', { AWS_SECRET_ACCESS_KEY: 'Qz with spaces' }],
  ['AWS_SESSION_TOKEN', { AWS_SESSION_TOKEN: 'Qz\nline' }],
])('config: without a valid %s, "credentials: environment" is an error', (field, more) => {
  const issues = fileIssues(yaml(), { ...ENV, ...more });
  const expected = expect.stringMatching(`^environment, .* in ${field}$`);
  expect(issues).toMatchObject([
    { field: 'mounts[0].storage.credentials', where: 'postern.yaml:9', expected },
  ]);
  expect(JSON.stringify(issues)).not.toContain('Qz');
});

test.each([
  ['type', 'gcs', 's3'],
  ['type', undefined, 's3'],
  ['endpoint', undefined, 'https://s3.eu-central-1'],
  ['endpoint', 's3.amazonaws.com', 'https://s3.eu-central-1'],
  ['endpoint', 'ftp://s3.example', 'https://s3.eu-central-1'],
  ['endpoint', 'https://s3.example/bucket', 'without user, path and query'],
  ['endpoint', 'https://me:secret@s3.example', 'without user, path and query'],
  ['endpoint', "'https://a;b{}$x'", 'https://s3.eu-central-1'],
  ['region', undefined, 'eu-central-1'],
  ['region', '"a/b"', 'eu-central-1'],
  ['bucket', undefined, 'my-media'],
  ['bucket', '"a/b"', 'my-media'],
  ['bucket', '".."', 'my-media'],
  ['bucket', '"my bucket"', 'my-media'],
  ['prefix', 'videos', 'slash'],
  ['prefix', '/videos/', 'empty segment'],
  ['prefix', '../', 'dot segment'],
  ['prefix', 'a//', 'empty segment'],
  ['style', 'host', 'path, virtual-host'],
])('config: storage.%s: %s is an error', (field, value, expected) => {
  expectIssue(fileIssues(yaml({ [field]: value }), ENV), `mounts[0].storage.${field}`, expected);
});

test.each([
  ['My_Bucket', 'http://s3.example', 'upper-case'],
  ['my.media', 'https://s3.example', 'certificate'],
  ['media', 'http://10.0.0.5:9000', 'do not form a host name'],
  ['media', 'http://[::1]:9000', 'do not form a host name'],
])('config: the bucket %s cannot be part of a host name', (bucket, endpoint, expected) => {
  const issues = fileIssues(yaml({ bucket, endpoint, style: 'virtual-host' }), ENV);
  expectIssue(issues, 'mounts[0].storage.style', expected);
});

test('config: an unknown field of a storage is an error without its value', () => {
  const issues = fileIssues(yaml({ secret_access_key: 'QzSecretZq' }), ENV);
  expect(issues).toMatchObject([{ field: 'mounts[0].storage.secret_access_key' }]);
  expect(JSON.stringify(issues)).not.toContain('Qz');
});

test('config: a secret in place of another value is not shown', () => {
  for (const field of ['credentials', 'access_key_id', 'secret_access_key_file']) {
    const issues = fileIssues(yaml({ [field]: '"QzSecret Zq\\n"' }), ENV);
    expect(JSON.stringify(issues)).not.toContain('QzSecret');
  }
  const pasted = 'mounts: [{ public: /a/, internal: /b/, storage: QzSecretZq }]';
  expect(JSON.stringify(fileIssues(pasted, ENV))).not.toContain('QzSecret');
});

test('config: pass_arguments of a mount with a storage are an error', () => {
  const issues = fileIssues(yaml({}, '    pass_arguments: [versionId]\n'), ENV);
  expectIssue(issues, 'mounts[0].pass_arguments', 'signature');
});

test.each([
  ['/s3/', 1],
  ['/s3/b/', 2],
])(
  'config: no other mount has, or is below, the internal prefix of a storage: %s',
  (internal, n) => {
    const other = `${yaml()}  - { public: /files/, internal: ${internal} }\n`;
    const found = fileIssues(other, ENV).filter(({ field }) => field.endsWith('.internal'));
    expect(found).toHaveLength(n);
    expect(JSON.stringify(found)).toContain('no other mount has');
  },
);

test('config: on different sites, the internal prefix of a storage may be the same', () => {
  const one = yaml({}, '    site: a.example\n');
  const two = `${one}  - { public: /files/, internal: /s3/, site: b.example }\n`;
  expect(loadFile(two, ENV).mounts).toHaveLength(2);
});
