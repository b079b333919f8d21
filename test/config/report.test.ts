import { expect, test } from 'vitest';
import { ConfigError } from '../../service/config/errors.ts';
import { errorOf, fileIssues, issuesOf, loadFile } from './load.ts';

const YAML = `store: redis://:hunter2@redis.example/x
log_level: INFO
cookie_samesite: any
mounts:
  - public: /download
    internal: /protected/
  - public: /media/
    internal: /media/files/
    colour: red
api_keys:
  - id: web
    key: hunter2
    paths: [/elsewhere]
    max_expires_in: 9999
    max_resume_for: 99999
format: jwt
issuers:
  - id: web
    issuer: postern
    audience: a b
`;

test('config: one report lists every error', () => {
  const env = {
    POSTERN_LISTEN: '7300',
    POSTERN_EXPIRES_IN: '7200',
    POSTERN_RESUME_FOR: '86401',
    POSTERN_LIMIT: '1',
    POSTERN_DECISION_TTL: '-1',
    POSTERN_COOKIE_SECURE: 'no',
    POSTERN_LEEWAY: '61',
  };
  const error = errorOf(() => loadFile(YAML, env));
  expect(error.issues.map(({ field, where }) => `${where ?? ''} ${field}`)).toEqual([
    ' POSTERN_LIMIT',
    ' POSTERN_LISTEN',
    'postern.yaml:1 store',
    ' POSTERN_DECISION_TTL',
    'postern.yaml:3 cookie_samesite',
    ' POSTERN_COOKIE_SECURE',
    'postern.yaml:2 log_level',
    ' POSTERN_LEEWAY',
    ' POSTERN_EXPIRES_IN',
    ' POSTERN_RESUME_FOR',
    'postern.yaml:9 mounts[1].colour',
    'postern.yaml:5 mounts[0].public',
    'postern.yaml:8 mounts[1].internal',
    'postern.yaml:12 api_keys[0].key',
    'postern.yaml:13 api_keys[0].paths[0]',
    'postern.yaml:14 api_keys[0].max_expires_in',
    'postern.yaml:15 api_keys[0].max_resume_for',
    'postern.yaml:19 issuers[0].issuer',
    'postern.yaml:20 issuers[0].audience',
    'postern.yaml:18 issuers[0].trusted_for',
    'postern.yaml:18 issuers[0].jwks_uri',
    'postern.yaml:18 issuers[0].paths',
    'postern.yaml:16 format',
  ]);
  expect(error.message).toMatch(
    /^Postern cannot start: 23 errors in its configuration\.\n\n {2}POST/,
  );
  for (const { field, expected } of error.issues) {
    expect(error.message).toContain(`\n\n  ${field}`);
    expect(error.message).toContain(`\n    expected: ${expected}`);
  }
});

test('config: the text of the report', () => {
  const issue = { field: 'mounts[0].public', where: '/etc/postern.yaml:12', value: '"/a"' };
  const error = new ConfigError([
    { ...issue, expected: 'a slash at the end' },
    { field: 'POSTERN_API_KEYS', expected: 'a key' },
  ]);
  expect(error.message).toBe(`Postern cannot start: 2 errors in its configuration.

  mounts[0].public  (/etc/postern.yaml:12)
    is now:   "/a"
    expected: a slash at the end

  POSTERN_API_KEYS
    expected: a key`);
  expect(new ConfigError([{ ...issue, expected: 'b' }]).message).toContain(' 1 error in ');
});

test('config: the report shortens values and escapes control characters', () => {
  const value = `a.\n\x1b[2j\x9b\u202e\u2028${'x.'.repeat(100)}`;
  expect(issuesOf({ POSTERN_LISTEN: value })[0]?.value).toBe(
    `"a.\\n\\u001b[2j\\u{9b}\\u{202e}\\u{2028}${'x.'.repeat(45)}…"`,
  );
});

test.each([
  ['[a, b]', 'a list'],
  ['{ a: b }', 'a mapping'],
  ['5', '5'],
  ['"5"', '"5"'],
])('config: the report shows the listen address %s as %s', (yaml, value) => {
  expect(fileIssues(`mounts: [{ public: /a/, internal: /b/ }]\nlisten: ${yaml}`)).toMatchObject([
    { field: 'listen', value },
  ]);
});
