import { expect, test } from 'vitest';
import { loadConfig } from '../../service/config/config.ts';
import { errorOf, expectIssue, fileIssues, loadFile } from './load.ts';

const FILE = `
max_expires_in: 1000
max_resume_for: 2000
public_url: https://files.example
mounts:
  - { public: /download/, internal: /protected/ }
  - { public: /media/, internal: /media-files/, site: media.example }
api_keys: [{ id: web, key: "sha256:${'a'.repeat(64)}" }]
`;

type Entry = Record<string, unknown>;
const SHOP = {
  id: 'shop',
  issuer: 'https://shop.example',
  jwks_uri: 'https://shop.example/jwks.json',
  audience: 'files',
  trusted_for: 'downloads',
  paths: ['/download/shop/'],
};
const CLIENTS = { id: 'login', issuer: 'https://login.example/', trusted_for: 'clients' };
const LOGIN = { ...SHOP, ...CLIENTS };

/** JSON is YAML. Undefined values are left out. */
const file = (...issuers: unknown[]) => `${FILE}issuers: ${JSON.stringify(issuers)}`;
const read = (...issuers: Entry[]) => loadFile(file(...issuers)).issuers;

test('config: an issuer for downloads and an issuer for clients', () => {
  const own = {
    algorithms: ['ES256', 'RS256'],
    targets: ['/protected/shop/'],
    max_expires_in: 999,
    max_resume_for: 0,
    client: 'web',
  };
  const keys = { jwks_uri: undefined, jwks_file: 'login.json' };
  expect(read({ ...SHOP, ...own }, { ...LOGIN, ...keys })).toEqual([
    {
      id: 'shop',
      issuer: 'https://shop.example',
      keys: { uri: 'https://shop.example/jwks.json' },
      audience: 'files',
      trustedFor: 'downloads',
      algorithms: ['ES256', 'RS256'],
      paths: [{ prefix: '/download/shop/' }],
      targets: ['/protected/shop/'],
      maxExpiresIn: 999,
      maxResumeFor: 0,
      client: 'web',
    },
    {
      id: 'login',
      issuer: 'https://login.example/',
      keys: { file: 'login.json' },
      audience: 'files',
      trustedFor: 'clients',
      algorithms: ['EdDSA', 'ES256', 'RS256'],
      paths: [{ prefix: '/download/shop/' }],
      targets: [],
      maxExpiresIn: 1000,
      maxResumeFor: 2000,
    },
  ]);
});

test('config: each missing field of an issuer is an error', () => {
  expect(fileIssues(file({})).map(({ field }) => field)).toEqual(
    ['id', 'issuer', 'audience', 'trusted_for', 'paths', 'jwks_uri'].map(
      (name) => `issuers[0].${name}`,
    ),
  );
});

type Row = [field: string, expected: string, change: Entry];

/** Each value of a field is an error. */
const rows = (field: string, values: readonly unknown[], expected: string): Row[] =>
  values.map((value) => [field, expected, { [field]: value }]);
const ofClients = (paths: readonly string[], expected: string): Row[] =>
  paths.map((path) => ['paths[0]', expected, { ...CLIENTS, paths: [path] }]);

const URIS = [
  ...['http://login.example/jwks', 'http://127.login.example/jwks', 'http://10.0.0.1/jwks'],
  ...['http://0.0.0.0/jwks', 'http://localhost.login.example/jwks', 'https://', 5],
  ...['https://user@login.example/jwks', 'https://login.example/jwks#a', 'login.example/jwks'],
  ...['https://login.example/ jwks', 'https:login.example/jwks', 'file:///etc/jwks.json'],
];
const FILES = ['', 'https://login.example/jwks.json', '{"keys":[]}'];
/** They cannot stand for a segment. */
const BRACES = [
  ...['/download/{}/', '/download/user-{sub}/', '/download/{sub}.d/', '/download/sub}/'],
  ...['/download/{{sub}}/', '/download/{a b}/', `/download/{${'a'.repeat(65)}}/`],
];

test.each<Row>([
  ...rows('id', ['a b', 5], 'letters, digits'),
  ...rows('issuer', ['a b', ''], '1 to 255 ASCII'),
  ...rows('issuer', ['https://files.example'], "Postern's own"),
  ...rows('audience', [['files'], 'ä'], '1 to 255 ASCII'),
  ...rows('trusted_for', ['download', ['downloads']], 'downloads, if'),
  ...rows('algorithms', ['EdDSA'], 'a list'),
  ...rows('algorithms', [[]], 'at least one'),
  ...['HS256', 'none', 'eddsa', 5].map((algorithm): Row => {
    return ['algorithms[1]', 'one of EdDSA, ES256, RS256', { algorithms: ['EdDSA', algorithm] }];
  }),
  ...rows('jwks_uri', URIS, 'such as https://login.example/jwks.json'),
  ...rows('jwks_file', ['a.json'], 'not both'),
  ...FILES.map((path): Row => {
    return ['jwks_file', 'path of a JWKS file', { jwks_uri: undefined, jwks_file: path }];
  }),
  ...rows('client', ['batch'], 'no API key has this id'),
  ...rows('client', ['a b'], 'letters, digits'),
  ['client', '', { ...CLIENTS, client: 'web' }],
  ...rows('paths', [[]], 'at least one public prefix'),
  ...rows('paths', ['/download/'], 'a list'),
  ...rows('targets', ['/protected/'], 'a list'),
  ...rows('max_expires_in', [1001], '1 to 1000'),
  ...rows('max_resume_for', [2001], '0 to 2000'),
  ['paths[0]', 'without braces', { paths: ['/download/{sub}/'] }],
  ...ofClients(BRACES, 'braces'),
  ...ofClients(['/other/{sub}/', 'other.example:/media/{sub}/'], 'never match'),
  ...ofClients(['/download/../{sub}/'], 'dot segment'),
  ...ofClients(['/download//{sub}/'], 'empty segment'),
  ...ofClients(['/download/{sub', '/download/{sub}'], 'end with a slash'),
  ...ofClients(['a b:/download/{sub}/'], 'server_name'),
])('config: an error in %s of an issuer, which must be %s: %j', (field, expected, change) => {
  const issues = fileIssues(file({ ...SHOP, ...change }));
  expectIssue(issues, `issuers[0].${field}`, expected);
  expect(issues[0]?.where).toMatch(/^postern.yaml/);
});

test('config: an empty list of paths is an error', () => {
  expect(errorOf(() => loadFile(file({ ...SHOP, paths: [] }))).message).not.toContain('for all');
});

test.each([
  ...['https://login.example', 'https://login.example:8443/keys?v=2', 'http://localhost:8080/jwks'],
  ...['http://127.0.0.2/jwks', 'http://[::1]:8080/jwks'],
])('config: jwks_uri %s is accepted', (uri) => {
  expect(read({ ...SHOP, jwks_uri: uri })[0]?.keys).toEqual({ uri });
});

test('config: an ID is unique among issuers and API keys, and iss among issuers', () => {
  const issues = fileIssues(
    file({ ...SHOP, id: 'web' }, LOGIN, { ...LOGIN, issuer: 'a' }, { ...LOGIN, id: 'b' }),
  );
  expect(issues).toMatchObject([
    { field: 'issuers[0].id', expected: expect.stringContaining('API key') },
    { field: 'issuers[2].id', expected: expect.stringContaining('earlier issuer') },
    { field: 'issuers[3].issuer', expected: expect.stringContaining('earlier issuer') },
  ]);
});

test('config: no issuer may have the iss of Postern', () => {
  const yaml = file({ ...SHOP, issuer: 'own' });
  expect(loadFile(yaml).issuers).toHaveLength(1);
  const own = { POSTERN_ISSUER: 'own' };
  expectIssue(fileIssues(yaml, own), 'issuers[0].issuer', 'POSTERN_ISSUER');
  const freed = loadFile(file({ ...SHOP, issuer: 'https://files.example' }), own);
  expect(freed.issuers).toHaveLength(1);
});

test.each([
  ...['/download/users/{sub}/', '/{tenant}/', '/download/{a}/{b.c:d_e-f}/'],
  ...['/download/{https://login.example/tenant}/x/', 'media.example:/media/{sub}/'],
  ...[`/download/{${'a'.repeat(64)}}/`, '/{sub}/other/', '/'],
])('config: the path %s may contain claims', (path) => {
  const [site, prefix] = path.startsWith('/') ? [undefined, path] : path.split(/:(.*)/);
  expect(read({ ...LOGIN, paths: [path] })[0]?.paths).toEqual([
    site === undefined ? { prefix } : { site, prefix },
  ]);
});

test('config: braces in the paths of an API key have no meaning', () => {
  const yaml = FILE.replace('id: web', 'id: web, paths: ["/download/{sub}/"]');
  expect(loadFile(yaml).apiKeys[0]?.client.paths).toEqual([{ prefix: '/download/{sub}/' }]);
});

test('config: an issuer that is compared with an invalid setting gets no second error', () => {
  const yaml = file(
    { ...SHOP, client: 'web', max_expires_in: 5000, issuer: 'https://files.example' },
    { ...LOGIN, trusted_for: 'x', paths: ['/a/{sub}/'] },
  )
    .replace('max_expires_in: 1000', 'max_expires_in: x')
    .replace('id: web', 'id: w b')
    .replace('internal: /protected/', 'internal: /protected');
  expect(fileIssues(yaml, { POSTERN_ISSUER: 'a b' }).map(({ field }) => field)).toEqual([
    ...['POSTERN_ISSUER', 'max_expires_in', 'mounts[0].internal', 'api_keys[0].id'],
    'issuers[1].trusted_for',
  ]);
});

test.each([
  ['issuers: shop', 'issuers', 'a list'],
  ['issuers: [shop]', 'issuers[0]', 'a mapping'],
  ['issuers: [{ audiance: files }]', 'issuers[0].audiance', 'did you mean audience?'],
  ['issuers:', 'issuers', 'a value'],
])('%s', (yaml, field, expected) => {
  expect(fileIssues(FILE + yaml)).toContainEqual(
    expect.objectContaining({ field, expected: expect.stringContaining(expected) }),
  );
});

test('config: issuers cannot be set in the environment', () => {
  expectIssue(fileIssues(FILE, { POSTERN_ISSUERS: 'shop' }), 'POSTERN_ISSUERS', 'the file');
});

test('config: with an issuer of clients no API key is needed', () => {
  const yaml = file(SHOP).replace(/^api_keys.*\n/m, '');
  const config = loadConfig({ POSTERN_CONFIG: 'postern.yaml' }, () => yaml, { onTerminal: false });
  expect([config.apiKeys, config.issuers.length]).toEqual([[], 1]);
});
