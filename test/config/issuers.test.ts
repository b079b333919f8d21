import { expect, test } from 'vitest';
import { loadConfig } from '../../service/config/config.ts';
import { errorOf, fileIssues, loadFile } from './load.ts';

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
const LOGIN = {
  ...SHOP,
  id: 'login',
  issuer: 'https://login.example/',
  trusted_for: 'clients',
};

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

test.each([
  ['id', 'a b', 'letters, digits'],
  ['id', 5, 'letters, digits'],
  ['issuer', 'a b', '1 to 255 ASCII'],
  ['issuer', '', '1 to 255 ASCII'],
  ['issuer', 'https://files.example', "Postern's own"],
  ['audience', ['files'], '1 to 255 ASCII'],
  ['audience', 'ä', '1 to 255 ASCII'],
  ['trusted_for', 'download', 'downloads, if'],
  ['trusted_for', ['downloads'], 'downloads, if'],
  ['algorithms', 'EdDSA', 'a list'],
  ['algorithms', [], 'at least one'],
  ['jwks_file', 'a.json', 'not both'],
  ['client', 'batch', 'no API key has this id'],
  ['client', 'a b', 'letters, digits'],
  ['paths', [], 'at least one public prefix'],
  ['paths', '/download/', 'a list'],
  ['targets', '/protected/', 'a list'],
  ['max_expires_in', 1001, '1 to 1000'],
  ['max_resume_for', 2001, '0 to 2000'],
])('%s: %j', (field, value, expected) => {
  expect(fileIssues(file({ ...SHOP, [field]: value }))).toMatchObject([
    {
      field: `issuers[0].${field}`,
      where: expect.any(String),
      expected: expect.stringContaining(expected),
    },
  ]);
});

test.each(['HS256', 'none', 'eddsa', 5])(
  'config: the algorithm %s is not allowed for an issuer',
  (algorithm) => {
    expect(fileIssues(file({ ...SHOP, algorithms: ['EdDSA', algorithm] }))).toMatchObject([
      { field: 'issuers[0].algorithms[1]', expected: 'one of EdDSA, ES256, RS256' },
    ]);
  },
);

test('config: an empty list of paths is an error', () => {
  expect(errorOf(() => loadFile(file({ ...SHOP, paths: [] }))).message).not.toContain('for all');
});

test.each([
  'https://login.example',
  'https://login.example:8443/keys?v=2',
  'http://localhost:8080/jwks',
  'http://127.0.0.2/jwks',
  'http://[::1]:8080/jwks',
])('config: jwks_uri %s is accepted', (uri) => {
  expect(read({ ...SHOP, jwks_uri: uri })[0]?.keys).toEqual({ uri });
});

test.each([
  'http://login.example/jwks',
  'http://127.login.example/jwks',
  'http://10.0.0.1/jwks',
  'http://0.0.0.0/jwks',
  'http://localhost.login.example/jwks',
  'https://user@login.example/jwks',
  'https://login.example/jwks#a',
  'https://login.example/ jwks',
  'https:login.example/jwks',
  'file:///etc/jwks.json',
  'login.example/jwks',
  'https://',
  5,
])('config: jwks_uri %s is rejected', (uri) => {
  expect(fileIssues(file({ ...SHOP, jwks_uri: uri }))).toMatchObject([
    {
      field: 'issuers[0].jwks_uri',
      expected: expect.stringContaining('such as https://login.example/jwks.json'),
    },
  ]);
});

test.each(['', 'https://login.example/jwks.json', '{"keys":[]}'])(
  'config: jwks_file %j is rejected',
  (path) => {
    expect(fileIssues(file({ ...SHOP, jwks_uri: undefined, jwks_file: path }))).toMatchObject([
      { field: 'issuers[0].jwks_file', expected: expect.stringContaining('path of a JWKS file') },
    ]);
  },
);

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
  expect(fileIssues(yaml, { POSTERN_ISSUER: 'own' })).toMatchObject([
    { field: 'issuers[0].issuer', expected: expect.stringContaining('POSTERN_ISSUER') },
  ]);
  const freed = loadFile(file({ ...SHOP, issuer: 'https://files.example' }), {
    POSTERN_ISSUER: 'own',
  });
  expect(freed.issuers).toHaveLength(1);
});

test('config: an issuer of clients has no other owner', () => {
  expect(fileIssues(file({ ...LOGIN, client: 'web' }))).toMatchObject([
    { field: 'issuers[0].client' },
  ]);
});

test.each([
  '/download/users/{sub}/',
  '/{tenant}/',
  '/download/{a}/{b.c:d_e-f}/',
  '/download/{https://login.example/tenant}/x/',
  'media.example:/media/{sub}/',
  `/download/{${'a'.repeat(64)}}/`,
  '/',
])('config: the path %s may contain claims', (path) => {
  const [site, prefix] = path.startsWith('/') ? [undefined, path] : path.split(/:(.*)/);
  expect(read({ ...LOGIN, paths: [path] })[0]?.paths).toEqual([
    site === undefined ? { prefix } : { site, prefix },
  ]);
});

test.each([
  '/download/{}/',
  '/download/user-{sub}/',
  '/download/{sub}.d/',
  '/download/sub}/',
  '/download/{{sub}}/',
  '/download/{a b}/',
  `/download/{${'a'.repeat(65)}}/`,
])('config: misplaced braces in the path %s', (path) => {
  expect(fileIssues(file({ ...LOGIN, paths: [path] }))).toMatchObject([
    { field: 'issuers[0].paths[0]', expected: expect.stringContaining('braces') },
  ]);
});

test.each([
  ['/other/{sub}/', 'never match'],
  ['/{sub}/other/', undefined],
  ['other.example:/media/{sub}/', 'never match'],
  ['/download/../{sub}/', 'dot segment'],
  ['/download//{sub}/', 'empty segment'],
  ['/download/{sub', 'end with a slash'],
  ['/download/{sub}', 'end with a slash'],
  ['a b:/download/{sub}/', 'server_name'],
])('config: a path with claims is checked like others: %s', (path, expected) => {
  const yaml = file({ ...LOGIN, paths: [path] });
  if (expected === undefined) expect(loadFile(yaml)).toBeDefined();
  else expect(fileIssues(yaml)).toMatchObject([{ expected: expect.stringContaining(expected) }]);
});

test('config: an issuer of downloads cannot have claims in paths', () => {
  expect(fileIssues(file({ ...SHOP, paths: ['/download/{sub}/'] }))).toMatchObject([
    { field: 'issuers[0].paths[0]', expected: expect.stringContaining('without braces') },
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
    'POSTERN_ISSUER',
    'max_expires_in',
    'mounts[0].internal',
    'api_keys[0].id',
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
  expect(fileIssues(FILE, { POSTERN_ISSUERS: 'shop' })).toEqual([
    { field: 'POSTERN_ISSUERS', expected: expect.stringContaining('the file') },
  ]);
});

test('config: with an issuer of clients no API key is needed', () => {
  const yaml = file(SHOP).replace(/^api_keys.*\n/m, '');
  const config = loadConfig({ POSTERN_CONFIG: 'postern.yaml' }, () => yaml, { onTerminal: false });
  expect([config.apiKeys, config.issuers.length]).toEqual([[], 1]);
});
