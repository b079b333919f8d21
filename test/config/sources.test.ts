import { expect, test } from 'vitest';
import { loadConfig } from '../../service/config/config.ts';
import { variableOf } from '../../service/config/settings.ts';
import { fieldsOf } from '../support/fixtures.ts';
import {
  errorOf,
  expectIssue,
  FILE,
  fileIssues,
  fileOf,
  issuesOf,
  KEY,
  load,
  loadFile,
  MOUNTS,
  missing,
  OVERRIDES,
} from '../support/load-config.ts';

test('config: default values', () => {
  expect(load({})).toEqual({
    listen: { path: '/run/postern/gate.sock' },
    apiListen: { host: '127.0.0.1', port: 7301 },
    deliveryFrom: ['127.0.0.0/8', '::1'],
    socketMode: 0o660,
    store: { url: 'memory:', prefix: 'postern:', timeoutMs: 250, replicas: 0, sentinel: {} },
    events: { types: [] },
    pages: { texts: {}, files: {} },
    mounts: [
      { id: '/download/', prefix: '/download/', internal: '/protected/', passArguments: [] },
    ],
    apiKeys: [],
    ...{ expiresIn: 120, maxExpiresIn: 3600, resumeFor: 3600, maxResumeFor: 86_400 },
    ...{ decisionTtl: 0, leeway: 5 },
    cookies: { sameSite: 'Lax', secure: true, partitioned: false },
    ...{ logLevel: 'info', format: 'opaque', issuer: 'postern', issuers: [] },
    settings: expect.anything(),
  });
});

const OF_FILE = {
  ...{ listen: { host: '10.0.0.1', port: 1 }, apiListen: { path: '/a.sock' } },
  metricsListen: { host: '10.0.0.1', port: 2 },
  deliveryListen: { host: '10.0.0.1', port: 3 },
  ...{ deliveryFrom: ['10.0.0.2'], socketMode: 0o666 },
  store: { url: 'rediss://redis.example', prefix: 'a:', timeoutMs: 10, replicas: 2, sentinel: {} },
  mounts: [{ id: '/m/', prefix: '/m/', internal: '/i/', passArguments: [] }],
  apiKeys: [
    {
      sha256: Buffer.alloc(32, 0xaa),
      client: { id: 'a', targets: [], maxExpiresIn: 6, maxResumeFor: 8 },
    },
  ],
  ...{ expiresIn: 5, maxExpiresIn: 6, resumeFor: 0, maxResumeFor: 8, decisionTtl: 7, leeway: 60 },
  ...{ publicUrl: 'http://a.example:8080', apiUrl: 'http://c.example' },
  cookies: { sameSite: 'Strict', secure: false, partitioned: false },
  events: { types: ['token.revoked'] },
  pages: {
    ...{ name: 'Files', color: '#AABBCC', links: [{ text: 'Help', url: '/help' }] },
    ...{ texts: {}, files: {} },
  },
  ...{ logLevel: 'silent', format: 'jwt', jwtKeys: '/etc/keys.json', issuer: 'own', issuers: [] },
};

test('config: settings of a file', () => {
  expect(loadFile(FILE)).toEqual({ ...load({}), ...OF_FILE, settings: expect.anything() });
});

test.each(Object.entries(OVERRIDES))('config: the variable overrides the file: %s', (name, row) => {
  const [, variable, used] = row;
  const config = loadFile(FILE, { [variableOf(name)]: variable });
  expect(config).toMatchObject(used);
  const [property = ''] = Object.keys(used);
  const others = (all: object) => {
    return { ...all, [property]: undefined, apiKeys: undefined, settings: undefined };
  };
  expect(others(config)).toEqual(others({ ...load({}), ...OF_FILE }));
});

test('config: a list in the environment replaces the list in the file, including its errors', () => {
  const file = fileOf({ api_keys: [{ id: 'a' }] });
  const { apiKeys } = loadFile(file, { POSTERN_API_KEYS: `web:${KEY}` });
  expect(apiKeys.map(({ client }) => client.id)).toEqual(['web']);
});

test('config: an empty variable counts as not set, and without POSTERN_CONFIG no file is read', () => {
  const names = ['EXPIRES_IN', 'API_KEYS', 'TYPO', 'CONFIG'];
  const unset = Object.fromEntries(names.map((name) => [`POSTERN_${name}`, '']));
  const never = () => expect.unreachable();
  expect(loadConfig({ ...MOUNTS, ...unset }, never, { onTerminal: true })).toEqual(load({}));
});

test('config: the result is frozen', () => {
  const config = load({ POSTERN_API_KEYS: `web:${KEY}` });
  const check = (value: unknown) => {
    if (typeof value !== 'object' || value === null || value instanceof Buffer) return;
    expect(Object.isFrozen(value)).toBe(true);
    Object.values(value).forEach(check);
  };
  check(config);
  expect(config.apiKeys[0]?.client).toBeDefined();
});

test.each([
  ['POSTERN_MOUNT', 'did you mean POSTERN_MOUNTS?'],
  ['POSTERN_APIKEYS', 'did you mean POSTERN_API_KEYS?'],
  ['POSTERN_CONF', 'did you mean POSTERN_CONFIG?'],
  ['POSTERN_ISSUERS', 'set issuers in the file'],
  ['POSTERN_', 'the name of a setting: POSTERN_CONFIG, '],
  ['POSTERN_PORT', 'the name of a setting: POSTERN_CONFIG, '],
  ['POSTERN_API_PORT', 'the name of a setting: POSTERN_CONFIG, '],
])('config: the variable %s is unknown', (variable, expected) => {
  expect(issuesOf({ [variable]: '7300' })).toEqual([
    { field: variable, expected: expect.stringContaining(expected) },
  ]);
});

test('config: variables of other programs, Kubernetes and Docker are ignored', () => {
  const injected = {
    POSTERN_SERVICE_HOST: '10.0.0.1',
    POSTERN_SERVICE_PORT: '7300',
    POSTERN_SERVICE_PORT_GATE: '7300',
    POSTERN_PORT: 'tcp://10.0.0.1:7300',
    POSTERN_PORT_7300_TCP: 'tcp://10.0.0.1:7300',
    POSTERN_PORT_7300_TCP_ADDR: '10.0.0.1',
    POSTERN_API_SERVICE_HOST: '10.0.0.2',
    POSTERN_API_PORT: 'tcp://10.0.0.2:7301',
    POSTERN_API_PORT_7301_TCP_PORT: '7301',
  };
  const others = { PATH: '/bin', POSTERNX: 'a', MY_POSTERN_LISTEN: 'a' };
  expect(load({ ...injected, ...others })).toEqual(load({}));
});

const GOOD = 'mounts: [{ public: /a/, internal: /b/ }]\n';

test.each(fieldsOf('hostile-yaml.txt'))(
  'config: %s: expected %s in %s',
  (field = '', expected = '', yaml = '') => {
    const isWhole = yaml.startsWith('mounts:');
    const issues = fileIssues(isWhole ? yaml : GOOD + yaml);
    expectIssue(issues, field, expected);
    expect(issues[0]?.where).toMatch(isWhole ? /^postern\.yaml:1/ : /^postern\.yaml:2/);
  },
);

test('config: a key without a value is an error, at the line of the key', () => {
  const expected = 'a value; or remove the key';
  const yaml = 'mounts: [{ public: /download/, internal: /protected/, site: }]\nstore:\n\n  ';
  expect(fileIssues(yaml)).toMatchObject([
    { field: 'mounts[0].site', where: 'postern.yaml:1', expected },
    { field: 'store', where: 'postern.yaml:2', expected },
  ]);
});

test.each([
  ['ENOENT', 'does not exist'],
  ['EACCES', 'may not read'],
  ['EISDIR', 'a folder'],
  ['EIO', 'cannot be'],
])('config: an error of the environment is reported beside a file with %s', (code, expected) => {
  const readFile = () => {
    throw Object.assign(new Error('of the file system'), { code });
  };
  const env = { POSTERN_CONFIG: '/etc/postern.yaml', POSTERN_LISTEN: 'x', POSTERN_MOUNTS: 'y' };
  expect(errorOf(() => loadConfig(env, readFile)).issues).toMatchObject([
    {
      ...{ field: 'POSTERN_CONFIG', value: '"/etc/postern.yaml"' },
      expected: expect.stringContaining(expected),
    },
    { field: 'POSTERN_LISTEN' },
    { field: 'POSTERN_MOUNTS[0]' },
  ]);
  // What seems to be missing may be in the file.
  expect(() => loadConfig({ POSTERN_CONFIG: 'x' }, missing)).toThrow('1 error ');
});

test.each(fieldsOf('hostile-syntax.txt'))(
  'config: at %s: expected %s in %j',
  (at, expected, yaml) => {
    expect(fileIssues(`${yaml}\n`, MOUNTS)).toEqual([
      {
        field: 'the file',
        where: `postern.yaml:${at}`,
        expected: expect.stringContaining(`${expected}`),
      },
    ]);
  },
);

test('config: duplicate keys and the first syntax error are reported', () => {
  const yaml = `${GOOD}listen: a:1\nlisten: b:2\nstore: c\nstore: d\npublic_url: "\n`;
  expect(fileIssues(yaml).map(({ where }) => where)).toEqual([
    'postern.yaml:3:1',
    'postern.yaml:5:1',
    'postern.yaml:7:1',
  ]);
  const [issue] = fileIssues('mounts: [{ site: a, site: b }]');
  expect(issue).toMatchObject({ where: 'postern.yaml:1:21' });
});

test('config: an empty file and a file of comments are accepted', () => {
  for (const yaml of ['', '# nothing\n', '---\n', '{}', 'null']) {
    expect(loadFile(yaml, MOUNTS)).toEqual(
      loadFile('mounts: [{ public: /download/, internal: /protected/ }]'),
    );
  }
});
