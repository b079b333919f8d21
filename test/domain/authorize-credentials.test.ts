import { expect, test } from 'vitest';
import { createDecider } from './decider.ts';

const { issue, authorize } = createDecider();
const good = (await issue({ path: '/download/a' })).token;
const other = (await issue({ path: '/download/b' })).token;
const used = async (...request: Parameters<typeof authorize>) =>
  (await authorize(...request)).allow;

test('authorize: a token is accepted as a bearer token and in a cookie', async () => {
  expect(await used('/download/a', { authorization: `Bearer ${good}` })).toBe(true);
  expect(await used('/download/a', { authorization: `bEARER  ${good}` })).toBe(true);
  expect(await used('/download/a', { cookie: good })).toBe(true);
});

test('authorize: the URL has priority over Authorization, and Authorization over the cookie', async () => {
  const authorization = `Bearer ${good}`;
  expect(await used(`/download/a?token=${other}`, { authorization })).toBe(false);
  expect(await used(`/download/~${other}/a`, { authorization })).toBe(false);
  expect(await used(`/download/a?token=${good}`, { authorization: `Bearer ${other}` })).toBe(true);
  expect(await used('/download/a', { authorization, cookie: other })).toBe(true);
  expect(await used('/download/a', { authorization: `Bearer ${other}`, cookie: good })).toBe(false);
});

test.each([
  ['Basic credentials', 'Basic dXNlcjpwYXNz'],
  ["an application's own bearer token", 'Bearer eyJhbGciOiJIUzI1NiJ9.e30.x'],
  ['a token with another scheme', `Token ${good}`],
  ['a token without a scheme', good],
  ['a token and more', `Bearer ${good}, Bearer ${good}`],
  ['nothing', ''],
  ['a scheme without a token', 'Bearer '],
])('authorize: %s counts as no token', async (_, authorization) => {
  expect(await authorize('/download/a', { authorization })).toMatchObject({
    code: 'missing_token',
  });
  expect(await used('/download/a', { authorization, cookie: good })).toBe(true);
});

test.each(['', 'x', `${good}x`, `"${good}"`])(
  'authorize: a cookie %j counts as no token',
  async (cookie) => {
    expect(await authorize('/download/a', { cookie })).toMatchObject({ code: 'missing_token' });
  },
);

test('authorize: a malformed token in the query does not hide a token elsewhere', async () => {
  expect(await used('/download/a?token=theirs', { cookie: good })).toBe(true);
  expect(await used('/download/a?token=', { authorization: `Bearer ${good}` })).toBe(true);
});
