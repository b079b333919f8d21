import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../service/config/config.ts';
import { findClient, hashSecret } from '../../service/token/client.ts';
import { fieldsOf, objectOf } from '../support/fixtures.ts';
import {
  errorOf,
  expectIssue,
  fileIssues,
  HASH,
  issuesOf,
  load,
  loadFile,
  loadWith,
  MOUNTS,
  missing,
} from '../support/load-config.ts';
import { rowsOf } from '../support/rows.ts';

const SECRET = 'a-s3cret:of=16&';
const sha256 = (text: string) => hashSecret(text).toString('hex');

test('config: POSTERN_API_KEYS may issue for every mount', () => {
  const secret = `${SECRET}!`;
  const { apiKeys } = load({
    POSTERN_API_KEYS: `web:${secret}, batch:sha256:${sha256('other').toUpperCase()}\n`,
    POSTERN_MAX_EXPIRES_IN: '777',
    POSTERN_MAX_RESUME_FOR: '888',
  });
  const web = { id: 'web', targets: [], maxExpiresIn: 777, maxResumeFor: 888 };
  expect(findClient(apiKeys, secret)).toEqual(web);
  expect(findClient(apiKeys, 'other')).toEqual({ ...web, id: 'batch' });
  expect(findClient(apiKeys, 'neither')).toBeUndefined();
});

test.each([
  ...rowsOf({ '': ['web', 'web=s3cret-of-16-characters'] }),
  ...rowsOf({
    '.key': [
      ...['web:', `web:${SECRET}`, 'web:a secret with spaces', 'web:ein-gehütetes-geheimnis'],
      ...['web:sha256:abc', `web:SHA256:${'z'.repeat(64)}`, `web:sha256:${'a'.repeat(65)}`],
    ],
    '.id': [`:${SECRET}!`, `w b:${SECRET}!`, `${'w'.repeat(65)}:${SECRET}!`, HASH],
  }),
  [`${SECRET}!:web`, '.key', ''],
  ['', '', 'no comma in the secret'],
  [`first:${SECRET}!`, '.id', 'an id that no earlier'],
  [`web:${SECRET}?`, '.key', 'a secret that no earlier'],
  [`web:sha256:${sha256(`${SECRET}?`)}`, '.key', 'a secret that no earlier'],
])('config: in POSTERN_API_KEYS, %s is an error, not shown', (value, field, expected = '') => {
  // The first entry is valid.
  expect(issuesOf({ POSTERN_API_KEYS: `first:${SECRET}?,${value}` })).toEqual([
    { field: `POSTERN_API_KEYS[1]${field}`, expected: expect.stringContaining(expected) },
  ]);
});

const GENERAL = `
max_expires_in: 1000
max_resume_for: 2000
public_url: https://files.example
mounts:
  - { public: /download/, internal: /protected/ }
  - { public: /media/, internal: /media-files/, site: media.example }
`;

type Entry = Record<string, unknown>;
const WEB = { id: 'web', key: HASH };
const SHOP = {
  ...{ id: 'shop', issuer: 'https://shop.example', audience: 'files', trusted_for: 'downloads' },
  ...{ jwks_uri: 'https://shop.example/jwks.json', paths: ['/download/shop/'] },
};
const CLIENTS = { id: 'login', issuer: 'https://login.example/', trusted_for: 'clients' };
const LOGIN = { ...SHOP, ...CLIENTS };

/** JSON is YAML. Undefined values are left out. */
const withKeys = (...keys: unknown[]) => `${GENERAL}api_keys: ${JSON.stringify(keys)}\n`;
const withIssuers = (...issuers: unknown[]) =>
  `${withKeys(WEB)}issuers: ${JSON.stringify(issuers)}`;
const read = (...issuers: Entry[]) => loadFile(withIssuers(...issuers)).issuers;

test('config: api_keys of the file', () => {
  const own = {
    paths: ['/download/a/', '/', 'Media.example:/media/', 'other.example:/download/'],
    targets: ['/protected/', '/media-files/shared/'],
    ...{ max_expires_in: 999, max_resume_for: 0, admin: true },
  };
  const web = { id: 'web', key: `sha256:${sha256('a key')}`, ...own };
  const { apiKeys } = loadFile(withKeys(web, { id: 'batch', key: HASH, admin: false }));
  expect(findClient(apiKeys, 'a key')).toEqual({
    id: 'web',
    paths: [
      { prefix: '/download/a/' },
      { prefix: '/' },
      { site: 'media.example', prefix: '/media/' },
      { site: 'other.example', prefix: '/download/' },
    ],
    targets: own.targets,
    ...{ maxExpiresIn: 999, maxResumeFor: 0, admin: true },
  });
  const general = { maxExpiresIn: 1000, maxResumeFor: 2000 };
  expect(apiKeys[1]?.client).toEqual({ id: 'batch', targets: [], ...general });
});

describe('config: an API key in a file', () => {
  const load = (content: string, ...others: object[]) => {
    const files = {
      '/key': content,
      'a.yaml': withKeys({ id: 'web', key_file: '/key' }, ...others),
    };
    return loadWith(files, { POSTERN_CONFIG: 'a.yaml', POSTERN_MOUNTS: undefined });
  };

  test('each line is a key of the client, as it is or as a hash', () => {
    const { apiKeys } = load(`${SECRET}!\n\nsha256:${sha256('a key')}\n`);
    for (const key of [`${SECRET}!`, 'a key']) expect(findClient(apiKeys, key)?.id).toBe('web');
    expect(findClient(apiKeys, 'another key')).toBeUndefined();
  });

  test.each(['', 'short', `${SECRET},${SECRET}`, `${SECRET}!\nsha256:12`])(
    '%j is an error',
    (text) => {
      const { issues, message } = errorOf(() => load(text));
      expectIssue(issues, 'api_keys[0].key_file', 'a key on each line');
      expect(message).not.toContain(SECRET);
    },
  );

  test('a key and a file, or a key of another client, is an error', () => {
    const own = { id: 'batch', key: `sha256:${sha256(`${SECRET}!`)}` };
    expectIssue(
      errorOf(() => load(`${SECRET}!`, own)).issues,
      'api_keys[1].key',
      'no earlier API key',
    );
    const both = fileIssues(withKeys({ ...WEB, key_file: '/no' }));
    expect(both.map(({ field }) => field)).toContain('api_keys[0].key_file');
  });
});

test('config: an issuer for downloads and an issuer for clients', () => {
  const own = {
    algorithms: ['ES256', 'RS256'],
    targets: ['/protected/shop/'],
    ...{ max_expires_in: 999, max_resume_for: 0, client: 'web' },
  };
  const keys = { jwks_uri: undefined, jwks_file: 'login.json' };
  const shared = { audience: 'files', paths: [{ prefix: '/download/shop/' }] };
  expect(read({ ...SHOP, ...own }, { ...LOGIN, ...keys })).toEqual([
    {
      ...{ id: 'shop', issuer: 'https://shop.example', trustedFor: 'downloads', ...shared },
      keys: { uri: 'https://shop.example/jwks.json' },
      algorithms: ['ES256', 'RS256'],
      targets: ['/protected/shop/'],
      ...{ maxExpiresIn: 999, maxResumeFor: 0, client: 'web' },
    },
    {
      ...{ id: 'login', issuer: 'https://login.example/', trustedFor: 'clients', ...shared },
      keys: { file: 'login.json' },
      algorithms: ['EdDSA', 'ES256', 'RS256'],
      targets: [],
      ...{ maxExpiresIn: 1000, maxResumeFor: 2000 },
    },
  ]);
});

test('config: each missing field of an issuer is an error', () => {
  expect(fileIssues(withIssuers({})).map(({ field }) => field)).toEqual(
    ['id', 'issuer', 'audience', 'trusted_for', 'paths', 'jwks_uri'].map(
      (name) => `issuers[0].${name}`,
    ),
  );
});

test.each(fieldsOf('hostile-clients.txt'))(
  'config: %s: expected %s, not %s',
  (field = '', expected = '', json) => {
    const change = objectOf(json);
    const isKey = field.startsWith('api_keys');
    const yaml = isKey ? withKeys({ ...WEB, ...change }) : withIssuers({ ...SHOP, ...change });
    const issues = fileIssues(yaml);
    expectIssue(issues, field, expected);
    expect(issues[0]?.where).toMatch(/^postern.yaml/);
  },
);

test.each([
  ...['https://login.example', 'https://login.example:8443/keys?v=2', 'http://localhost:8080/jwks'],
  ...['http://127.0.0.2/jwks', 'http://[::1]:8080/jwks'],
])('config: jwks_uri %s is accepted', (uri) => {
  expect(read({ ...SHOP, jwks_uri: uri })[0]?.keys).toEqual({ uri });
});

test('config: duplicate IDs, keys and iss are reported beside other errors of their entries', () => {
  const limited = { id: 'web', key: HASH, max_expires_in: 0, paths: ['x'] };
  expect(fileIssues(withKeys(WEB, limited)).map(({ field }) => field)).toEqual([
    ...['api_keys[1].paths[0]', 'api_keys[1].max_expires_in', 'api_keys[1].id', 'api_keys[1].key'],
  ]);
  const issues = fileIssues(
    withIssuers({ ...SHOP, id: 'web' }, LOGIN, { ...LOGIN, issuer: 'a' }, { ...LOGIN, id: 'b' }),
  );
  expect(issues).toMatchObject([
    { field: 'issuers[0].id', expected: expect.stringContaining('API key') },
    { field: 'issuers[2].id', expected: expect.stringContaining('earlier issuer') },
    { field: 'issuers[3].issuer', expected: expect.stringContaining('earlier issuer') },
  ]);
});

test('config: no issuer may have the iss of Postern', () => {
  const yaml = withIssuers({ ...SHOP, issuer: 'own' });
  expect(loadFile(yaml).issuers).toHaveLength(1);
  const own = { POSTERN_JWT_ISSUER: 'own' };
  expectIssue(fileIssues(yaml, own), 'issuers[0].issuer', 'POSTERN_JWT_ISSUER');
  const freed = loadFile(withIssuers({ ...SHOP, issuer: 'https://files.example' }), own);
  expect(freed.issuers).toHaveLength(1);
});

test.each([
  ...['/download/users/{sub}/', '/{tenant}/', '/download/{a}/{b.c:d_e-f}/'],
  ...['/download/{https://login.example/tenant}/x/', 'media.example:/media/{sub}/'],
  ...[`/download/{${'a'.repeat(64)}}/`, '/{sub}/other/', '/'],
])('config: the path %s of an issuer may contain claims', (path) => {
  const [site, prefix] = path.startsWith('/') ? [undefined, path] : path.split(/:(.*)/);
  expect(read({ ...LOGIN, paths: [path] })[0]?.paths).toEqual([{ prefix, ...(site && { site }) }]);
});

test('config: braces in the paths of an API key have no meaning', () => {
  const { apiKeys } = loadFile(withKeys({ ...WEB, paths: ['/download/{sub}/'] }));
  expect(apiKeys[0]?.client.paths).toEqual([{ prefix: '/download/{sub}/' }]);
});

test('config: a client that is compared with an invalid setting gets no second error', () => {
  const beyond = { max_expires_in: 5000, max_resume_for: 90_000, targets: ['/b/'] };
  const yaml = withIssuers(
    { ...SHOP, client: 'web', ...beyond, issuer: 'https://files.example' },
    { ...LOGIN, trusted_for: 'x', paths: ['/a/{sub}/'] },
  )
    .replace(/max_\w+: \d+\n/g, (limit) => limit.replace(/\d+/, 'x'))
    .replace('"id":"web"', `"id":"w b","paths":["/a/"],${JSON.stringify(beyond).slice(1, -1)}`)
    .replace('internal: /protected/', 'internal: /protected');
  expect(fileIssues(yaml, { POSTERN_JWT_ISSUER: 'a b' }).map(({ field }) => field)).toEqual([
    ...['POSTERN_JWT_ISSUER', 'max_expires_in', 'max_resume_for', 'mounts[0].internal'],
    ...['api_keys[0].id', 'issuers[1].trusted_for'],
  ]);
});

test('config: an API needs an API key or an issuer, which is reported with the other errors', () => {
  const fieldsOf = (env: Record<string, string>) =>
    errorOf(() => loadConfig(env, missing)).issues.map(({ field }) => field);
  expect(fieldsOf({ POSTERN_DECISION_TTL: 'x' })).toEqual(
    expect.arrayContaining(['POSTERN_API_KEYS', 'POSTERN_DECISION_TTL', 'POSTERN_MOUNTS']),
  );
  expect(fieldsOf(MOUNTS)).toEqual(['POSTERN_API_KEYS']);
  expect(loadConfig({ ...MOUNTS, POSTERN_API_LISTEN: 'off' }, missing).apiKeys).toEqual([]);
  const yaml = withIssuers(SHOP).replace(/^api_keys.*\n/m, '');
  const config = loadConfig({ POSTERN_CONFIG: 'postern.yaml' }, () => yaml, { onTerminal: false });
  expect([config.apiKeys, config.issuers.length]).toEqual([[], 1]);
});
