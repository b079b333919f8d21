import { describe, expect, test } from 'vitest';
import { variableOf } from '../../service/config/settings.ts';
import {
  errorOf,
  expectIssue,
  fileIssues,
  fileOf,
  issuesOf,
  load,
  loadFile,
} from '../support/load-config.ts';

/** Each way to set a setting. */
const MODES = {
  environment: (setting: string, value: unknown, env: Record<string, string> = {}) =>
    load({ ...env, [variableOf(setting)]: String(value) }),
  file: (setting: string, value: unknown, env: Record<string, string> = {}) =>
    loadFile(fileOf({ [setting]: value }), env),
};

const NAME = '1 to 255 ASCII';
const ORIGIN = 'https://files.example';
const REPLICAS = { POSTERN_STORE: 'redis://127.0.0.1' };

/** Settings, their valid values with what Postern uses, invalid values, and a part of the message about them. */
const VALUES: Record<
  string,
  {
    /** Default: the name in camel case. */
    readonly property?: string;
    readonly valid: ReadonlyArray<readonly [value: string, used: unknown]>;
    readonly invalid: readonly string[];
    readonly expected: string;
    readonly env?: Record<string, string>;
  }
> = {
  listen: {
    valid: [
      ['127.0.0.1:7300', { host: '127.0.0.1', port: 7300 }],
      ['0.0.0.0:65535', { host: '0.0.0.0', port: 65_535 }],
      ['[::1]:7300', { host: '::1', port: 7300 }],
      ['localhost:1', { host: 'localhost', port: 1 }],
      ['gate-1.files.example:80', { host: 'gate-1.files.example', port: 80 }],
      ['unix:/run/postern/gate.sock', { path: '/run/postern/gate.sock' }],
    ],
    invalid: [
      ...['7300', ':7300', '127.0.0.1', '127.0.0.1:0', '127.0.0.1:65536', '127.0.0.1:', 'off'],
      ...['127.0.0.1:7300 ', '127.0.0.300:7300', '::1:7300', '[::1]', '[localhost]:7300'],
      ...['http://127.0.0.1:7300', '-a:7300', 'unix:gate.sock', 'unix:/run/', 'unix:/', 'unix:'],
      ...['unix:/a\nb', `unix:/${'a'.repeat(103)}`],
    ],
    expected: 'such as 127.0.0.1:7300',
  },
  api_listen: {
    valid: [
      ['[::1]:1', { host: '::1', port: 1 }],
      ['off', 'off'],
    ],
    invalid: ['Off', 'false', 'on', 'off ', '7300', '127.0.0.1:0', 'unix:gate.sock'],
    expected: 'or off',
  },
  delivery_listen: {
    valid: [
      ['127.9.9.9:1', { host: '127.9.9.9', port: 1 }],
      ['[::1]:7302', { host: '::1', port: 7302 }],
      ['localhost:7302', { host: 'localhost', port: 7302 }],
      // UDP and TCP do not share ports.
      ['127.0.0.1:7300', { host: '127.0.0.1', port: 7300 }],
    ],
    invalid: ['unix:/run/a.sock', '7302', '127.0.0.1:0', 'off'],
    expected: 'such as 127.0.0.1:7302',
  },
  socket_mode: {
    valid: Object.entries({ '0600': 0o600, '0660': 0o660, '660': 0o660, '0666': 0o666 }),
    invalid: ['0777', '0770', '0640', '0000', '066', 'rw', '0o660', '-660'],
    expected: 'one of 0600, 0660, 0666',
  },
  public_url: {
    valid: [
      [ORIGIN, ORIGIN],
      [`${ORIGIN}/`, ORIGIN],
      ['HTTP://Files.example:8080', 'http://files.example:8080'],
      ['http://[::1]:8080', 'http://[::1]:8080'],
    ],
    invalid: [
      ...['files.example', '//files.example', 'https:files.example', 'ftp://files.example'],
      ...['https://', `${ORIGIN}/downloads`, `${ORIGIN}?a`, `${ORIGIN}#a`, `${ORIGIN} `],
      ...['https://user@files.example', 'https://files\\.example'],
    ],
    expected: ORIGIN,
  },
  log_level: {
    valid: ['fatal', 'error', 'warn', 'info', 'debug', 'silent'].map((level) => [level, level]),
    ...{ invalid: ['INFO', 'trace', 'constructor'], expected: 'warn' },
  },
  cookie_samesite: {
    property: 'cookies.sameSite',
    valid: Object.entries({ lax: 'Lax', strict: 'Strict', none: 'None', STRICT: 'Strict' }),
    ...{ invalid: ['no', ' lax', 'lax,strict', 'constructor'], expected: 'lax, strict or none' },
  },
  cookie_secure: {
    property: 'cookies.secure',
    valid: Object.entries({ true: true, false: false }),
    ...{ invalid: ['no', 'off', '0', '1', 'yes', 'FALSE'], expected: 'true or false' },
  },
  format: {
    valid: ['opaque', 'jwt'].map((format) => [format, format]),
    ...{ invalid: ['JWT', 'jws', 'opaque ', 'valueof'], expected: 'one of opaque, jwt' },
    env: { POSTERN_JWT_KEYS_FILE: '/etc/postern/keys.json' },
  },
  jwt_keys_file: {
    property: 'jwtKeys',
    valid: [['/etc/postern/keys.json', '/etc/postern/keys.json']],
    invalid: [
      ...['{"keys":[{"kty":"OKP","d":"a-s3cret"}]}', '[{"kty":"oct","k":"a-s3cret"}]'],
      ...['-----BEGIN PRIVATE KEY-----', `MC4CAQAwBQYDK2VwBCIEI${'a/b+'.repeat(10)}==`],
      ...['https://a-s3cret.example/keys.json', 'keys.json\n', ' keys.json'],
    ],
    expected: '/etc/postern/keys.json',
  },
  jwt_issuer: {
    property: 'issuer',
    valid: ['a', `${ORIGIN}/`, '!~', 'x'.repeat(255)].map((name) => [name, name]),
    invalid: ['a b', ' a', 'ä', 'a\x7f', 'x'.repeat(256)],
    expected: NAME,
    env: { POSTERN_PUBLIC_URL: 'https://b.example' },
  },
  store_prefix: {
    property: 'store.prefix',
    valid: ['p', 'site-1:postern.', 'a/b_c:', 'x'.repeat(64)].map((prefix) => [prefix, prefix]),
    invalid: [' ', '{a}', 'a*', 'ä:', 'x'.repeat(65)],
    expected: 'postern:',
  },
  page_name: {
    property: 'pages.name',
    valid: [['Files & more', 'Files & more']],
    ...{ invalid: ['a\nb', 'x'.repeat(61)], expected: 'at most 60 characters' },
  },
  page_color: {
    property: 'pages.color',
    valid: [['#1D4ed8', '#1D4ed8']],
    ...{ invalid: ['blue', '#fff', '#1d4ed8;}'], expected: 'six hex digits' },
  },
  ...Object.fromEntries(
    (
      [
        ['store_timeout_ms', 'store.timeoutMs', 10, 10_000],
        ['store_replicas', 'store.replicas', 0, 10],
        ['expires_in', 'expiresIn', 1, 3600],
        ['max_expires_in', 'maxExpiresIn', 1, 31_536_000],
        ['resume_for', 'resumeFor', 0, 86_400],
        ['max_resume_for', 'maxResumeFor', 0, 31_536_000],
        ['decision_ttl', 'decisionTtl', 0, 3600],
        ['jwt_leeway', 'leeway', 0, 60],
      ] as const
    ).map(([setting, property, min, max]) => [
      setting,
      {
        property,
        valid: [min, max].map((value) => [`${value}`, value] as const),
        invalid: [min - 1, max + 1, '1.5', '1e2', '0x20', ' 20', '20s', '-0', 'nan'].map(String),
        expected: '',
        env: REPLICAS,
      },
    ]),
  ),
};

const inCamelCase = (name: string) =>
  name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());

describe.each(Object.entries(MODES))('config: values in the %s', (mode, set) => {
  test.each(Object.entries(VALUES))(
    '%s',
    (setting, { property = inCamelCase(setting), valid, invalid, expected, env }) => {
      for (const [value, used] of valid) {
        expect(set(setting, value, env), value).toHaveProperty(property, used);
      }
      const field = mode === 'file' ? setting : variableOf(setting);
      for (const value of invalid) {
        expectIssue(errorOf(() => set(setting, value, env)).issues, field, expected);
      }
    },
  );
});

test.each([
  ['decision_ttl', ['1.5', '-1', 'true', '.nan', '.inf', '[5]', '{a: 5}', '""']],
  ['cookie_samesite', ['false', '0', '[lax]', '{ lax: none }']],
  ['cookie_secure', ['0', '1', 'no', '[false]', '{ secure: false }']],
  ['listen', ['false', '5', '[a]']],
  ['api_listen', ['true']],
  ['jwt_issuer', ['5']],
  ['socket_mode', ['0o660', '0770', '432']],
])('config: values of the wrong type for %s in the file', (setting, values) => {
  for (const value of values) {
    const issues = fileIssues(`mounts: [{ public: /a/, internal: /b/ }]\n${setting}: ${value}`);
    expect(issues).toMatchObject([{ field: setting, where: 'postern.yaml:2' }]);
  }
});

test('config: numbers and flags of the file need no quotes, and YAML 1.1 reads off as false', () => {
  const settings = { decision_ttl: 5, socket_mode: 660, cookie_secure: false, api_listen: false };
  expect(loadFile(fileOf(settings))).toMatchObject({
    ...{ decisionTtl: 5, socketMode: 0o660, cookies: { secure: false }, apiListen: 'off' },
  });
  const yaml = 'mounts: [{ public: /a/, internal: /b/ }]\napi_listen: off\n';
  for (const start of ['', '%YAML 1.1\n---\n']) {
    expect(loadFile(start + yaml).apiListen).toBe('off');
    const merged = `${start}${yaml}api_keys: [{ id: a, key: 'sha256:${'0'.repeat(64)}', <<: { admin: true } }]\n`;
    expect(() => loadFile(merged)).toThrow('no merge key');
  }
});

test.each([
  ['a.example:80', 'A.example:80'],
  ['0.0.0.0:80', '127.0.0.1:80'],
  ['127.0.0.1:80', '[::]:80'],
  ['unix:/a', 'unix:/a'],
  [undefined, 'unix:/run/postern/gate.sock'],
])('config: listeners on %s and %s collide', (one, other) => {
  const gate = { POSTERN_LISTEN: one };
  const api = issuesOf({ ...gate, POSTERN_API_LISTEN: other });
  expectIssue(api, 'POSTERN_API_LISTEN', 'POSTERN_LISTEN');
  const off = { ...gate, POSTERN_API_LISTEN: 'off' };
  const metrics = issuesOf({ ...off, POSTERN_METRICS_LISTEN: other });
  expectIssue(metrics, 'POSTERN_METRICS_LISTEN', 'POSTERN_LISTEN');
});

test('config: a collision is reported at the listener that was set', () => {
  const set = { POSTERN_LISTEN: '127.0.0.1:7301', POSTERN_METRICS_LISTEN: '0.0.0.0:7301' };
  for (const [name, value] of Object.entries(set)) {
    expectIssue(issuesOf({ [name]: value }), name, 'POSTERN_API_LISTEN');
  }
  for (const [POSTERN_LISTEN, POSTERN_API_LISTEN] of Object.entries({
    ...{ 'a:79': 'a:80', 'a:80': 'b:80', 'unix:/a': 'unix:/b' },
  })) {
    expect(load({ POSTERN_LISTEN, POSTERN_API_LISTEN })).toBeDefined();
  }
});

test.each(['10.0.0.1:7302', '0.0.0.0:7302', '[::]:7302', 'files.example:7302'])(
  'config: POSTERN_DELIVERY_LISTEN=%s needs POSTERN_DELIVERY_FROM',
  (where) => {
    const env = { POSTERN_DELIVERY_LISTEN: where };
    expectIssue(issuesOf(env), 'POSTERN_DELIVERY_LISTEN', 'POSTERN_DELIVERY_FROM');
    const from = load({ ...env, POSTERN_DELIVERY_FROM: '10.0.0.2' });
    expect(from.deliveryFrom).toEqual(['10.0.0.2']);
  },
);

test('config: POSTERN_DELIVERY_FROM is a list of addresses', () => {
  for (const from of ['10.0.0.1/8', 'files.example', '10.0.0.1,', '10.0.0.1 10.0.0.2', '*']) {
    const issues = issuesOf({ POSTERN_DELIVERY_FROM: from });
    expectIssue(issues, 'POSTERN_DELIVERY_FROM', 'a list of addresses');
  }
});

test.each([
  ['expires_in', 3601],
  ['resume_for', 86_401],
])('config: a default %s above the maximum is an error if it was set', (setting, value) => {
  const [variable, maximum] = [setting, `max_${setting}`].map(variableOf) as [string, string];
  const property = setting === 'expires_in' ? 'expiresIn' : 'resumeFor';
  const expected = expect.stringMatching(`^at most ${value - 1} seconds.* ${maximum} to ${value}$`);
  const above = { field: variable, value: `"${value}"`, expected };
  expect(issuesOf({ [variable]: `${value}` })).toEqual([above]);
  const own = { [setting]: 2, [`max_${setting}`]: 1 };
  expect(fileIssues(fileOf(own))).toMatchObject([{ field: setting, value: '2' }]);
  expect(load({ [variable]: `${value}`, [maximum]: `${value}` })).toHaveProperty(property, value);
  expect(load({ [maximum]: '60' })).toHaveProperty(property, 60);
  expect(issuesOf({ [variable]: `${value}`, [maximum]: 'x' })).toMatchObject([{ field: maximum }]);
});

test.each([
  ['none', 'true', true],
  ['lax', 'true', false],
  ['none', 'false', false],
])('config: cookies with SameSite=%s and partitioned=%s: %s', (sameSite, value, partitioned) => {
  const env = { POSTERN_COOKIE_SAMESITE: sameSite, POSTERN_COOKIE_PARTITIONED: value };
  expect(load(env).cookies).toMatchObject({ partitioned });
});

test('config: the default issuer is the public URL', () => {
  expect(load({ POSTERN_PUBLIC_URL: 'https://Files.example/' }).issuer).toBe(ORIGIN);
});

test('config: cookie_samesite none without cookie_secure is an error', () => {
  const env = { POSTERN_COOKIE_SAMESITE: 'None', POSTERN_COOKIE_SECURE: 'false' };
  const expected = expect.stringMatching(/^true, .* POSTERN_COOKIE_SAMESITE to lax or strict$/);
  expect(issuesOf(env)).toEqual([{ field: 'POSTERN_COOKIE_SECURE', value: '"false"', expected }]);
  const [issue] = fileIssues(fileOf({ cookie_secure: false }), { POSTERN_COOKIE_SAMESITE: 'none' });
  expect(issue).toMatchObject({ field: 'cookie_secure', where: 'postern.yaml:1', value: 'false' });
  for (const name of ['POSTERN_COOKIE_SAMESITE', 'POSTERN_COOKIE_SECURE']) {
    expect(issuesOf({ ...env, [name]: 'x' })).toMatchObject([{ field: name }]);
  }
});

test('config: the format jwt needs signing keys', () => {
  const expected = expect.stringMatching(/POSTERN_JWT_KEYS_FILE .*postern key generate --out/);
  const needed = { field: 'POSTERN_FORMAT', value: '"jwt"', expected };
  expect(issuesOf({ POSTERN_FORMAT: 'jwt' })).toEqual([needed]);
  // The keys may be in a file that cannot be read, or in a value that already has an issue.
  for (const other of [{ POSTERN_CONFIG: 'none' }, { POSTERN_JWT_KEYS_FILE: '{}' }]) {
    const fields = issuesOf({ POSTERN_FORMAT: 'jwt', ...other }).map(({ field }) => field);
    expect(fields).toEqual(Object.keys(other));
  }
});
