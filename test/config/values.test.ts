import { describe, expect, test } from 'vitest';
import { variableOf } from '../../service/config/settings.ts';
import { yamlOf } from '../support/fixtures.ts';
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

const inCamelCase = (name: string) =>
  name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());

interface Values {
  readonly property?: string;
  readonly valid?: Readonly<Record<string, unknown>>;
  readonly invalid?: readonly string[];
  readonly longest?: number;
  readonly min?: number;
  readonly max?: number;
  readonly expected?: string;
  readonly env?: Record<string, string>;
}

const VALUES = Object.entries<Values>(yamlOf('settings.yaml')).map(([setting, values]) => {
  const { valid = {}, invalid = [], longest = 0, min, max, ...rest } = values;
  const { property = inCamelCase(setting), env = {}, expected = '' } = rest;
  const accepted = [...Object.entries(valid)];
  const refused = [...invalid];
  if (longest > 0) {
    accepted.push(['x'.repeat(longest), 'x'.repeat(longest)]);
    refused.push('x'.repeat(longest + 1));
  }
  if (min !== undefined && max !== undefined) {
    for (const value of [min, max]) accepted.push([`${value}`, value]);
    refused.push(`${min - 1}`, `${max + 1}`, '1.5', '1e2', '0x20', ' 20', '20s', '-0', 'nan');
  }
  // Replicas need Redis.
  const store = setting === 'store_replicas' && { POSTERN_STORE: 'redis://127.0.0.1' };
  return { setting, property, accepted, refused, expected, env: { ...env, ...store } };
});

describe.each(Object.entries(MODES))('config: values in the %s', (mode, set) => {
  test.each(VALUES)('$setting', ({ setting, property, accepted, refused, expected, env }) => {
    for (const [value, used] of accepted) {
      expect(set(setting, value, env), value).toHaveProperty(property, used);
    }
    const field = mode === 'file' ? setting : variableOf(setting);
    for (const value of refused) {
      expectIssue(errorOf(() => set(setting, value, env)).issues, field, expected);
    }
  });
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
  expect(load({ POSTERN_PUBLIC_URL: 'https://Files.example/' }).issuer).toBe(
    'https://files.example',
  );
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
