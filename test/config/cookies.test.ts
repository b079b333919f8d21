import { expect, test } from 'vitest';
import { fileIssues, issuesOf, load, loadFile } from './load.ts';

const MOUNTS = 'mounts: [{ public: /download/, internal: /protected/ }]\n';

test.each([
  ['lax', 'Lax'],
  ['strict', 'Strict'],
  ['none', 'None'],
  ['None', 'None'],
  ['STRICT', 'Strict'],
])('cookie_samesite: %s', (value, sameSite) => {
  const cookies = { sameSite, secure: true, partitioned: sameSite === 'None' };
  expect(load({ POSTERN_COOKIE_SAMESITE: value }).cookies).toEqual(cookies);
  expect(loadFile(`${MOUNTS}cookie_samesite: ${value}`).cookies).toEqual(cookies);
});

test.each([
  ['none', 'true', true],
  ['none', 'false', false],
  ['lax', 'true', false],
])(
  'cookie_samesite %s, cookie_partitioned %s: partitioned is %s',
  (sameSite, value, partitioned) => {
    const env = { POSTERN_COOKIE_SAMESITE: sameSite, POSTERN_COOKIE_PARTITIONED: value };
    expect(load(env).cookies.partitioned).toBe(partitioned);
    const file = `${MOUNTS}cookie_samesite: ${sameSite}\ncookie_partitioned: ${value}`;
    expect(loadFile(file).cookies.partitioned).toBe(partitioned);
  },
);

test.each(['no', 'laxer', ' lax', 'lax,strict', 'constructor'])(
  'POSTERN_COOKIE_SAMESITE=%s',
  (value) => {
    expect(issuesOf({ POSTERN_COOKIE_SAMESITE: value })).toEqual([
      { field: 'POSTERN_COOKIE_SAMESITE', value: `"${value}"`, expected: 'lax, strict or none' },
    ]);
  },
);

test.each(['false', '0', '[lax]', '{ lax: none }'])(
  'config: cookie_samesite: %s is an error',
  (value) => {
    expect(fileIssues(`${MOUNTS}cookie_samesite: ${value}`)).toMatchObject([
      { field: 'cookie_samesite', where: 'postern.yaml:2' },
    ]);
  },
);

test.each([
  ['true', true],
  ['false', false],
])('cookie_secure: %s, as a boolean and as text', (value, secure) => {
  const cookies = { sameSite: 'Lax', secure, partitioned: false };
  expect(load({ POSTERN_COOKIE_SECURE: value }).cookies).toEqual(cookies);
  expect(loadFile(`${MOUNTS}cookie_secure: ${value}`).cookies).toEqual(cookies);
  expect(loadFile(`${MOUNTS}cookie_secure: "${value}"`).cookies).toEqual(cookies);
});

test.each(['no', 'off', '0', '1', 'yes', 'FALSE', ' false'])(
  'POSTERN_COOKIE_SECURE=%s',
  (value) => {
    expect(issuesOf({ POSTERN_COOKIE_SECURE: value })).toEqual([
      { field: 'POSTERN_COOKIE_SECURE', value: `"${value}"`, expected: 'true or false' },
    ]);
  },
);

test.each(['0', '1', 'no', '[false]', '{ secure: false }'])(
  'config: cookie_secure: %s is an error',
  (value) => {
    expect(fileIssues(`${MOUNTS}cookie_secure: ${value}`)).toMatchObject([
      { field: 'cookie_secure', where: 'postern.yaml:2' },
    ]);
  },
);

test('config: cookie_samesite none without cookie_secure is an error', () => {
  const env = { POSTERN_COOKIE_SAMESITE: 'None', POSTERN_COOKIE_SECURE: 'false' };
  expect(issuesOf(env)).toEqual([
    {
      field: 'POSTERN_COOKIE_SECURE',
      value: '"false"',
      expected: expect.stringMatching(/^true, .* POSTERN_COOKIE_SAMESITE to lax or strict$/),
    },
  ]);
  const secure = `${MOUNTS}cookie_secure: false`;
  expect(fileIssues(secure, { POSTERN_COOKIE_SAMESITE: 'none' })).toMatchObject([
    { field: 'cookie_secure', where: 'postern.yaml:2', value: 'false' },
  ]);
  for (const sameSite of ['lax', 'strict']) {
    expect(load({ ...env, POSTERN_COOKIE_SAMESITE: sameSite }).cookies.secure).toBe(false);
  }
});

test('config: an invalid cookie setting gets only one error', () => {
  const sameSite = { POSTERN_COOKIE_SAMESITE: 'x', POSTERN_COOKIE_SECURE: 'false' };
  expect(issuesOf(sameSite)).toMatchObject([{ field: 'POSTERN_COOKIE_SAMESITE' }]);
  const secure = { POSTERN_COOKIE_SAMESITE: 'none', POSTERN_COOKIE_SECURE: 'x' };
  expect(issuesOf(secure)).toMatchObject([{ field: 'POSTERN_COOKIE_SECURE' }]);
});
