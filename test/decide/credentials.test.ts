import { describe, expect, test } from 'vitest';
import { createDecider, refusal } from '../support/decider.ts';
import { fieldsOf } from '../support/fixtures.ts';
import { mount } from '../support/postern.ts';

const mounts = [
  mount('/download/', '/protected/'),
  mount('/mÿ dl/', '/other/'),
  mount('/logs/', '/log-files/', { pathArgument: 'file' }),
];
const { issue, authorize } = createDecider({ mounts });

async function cookiesOf(uri: string, more = {}) {
  const decision = await authorize(uri, more);
  if (!decision.allow) throw new Error(decision.code);
  return { token: decision.tokenCookie?.path, resume: decision.resumeCookie?.path };
}

test.each(fieldsOf('cookie-paths.txt'))(
  'cookies: the path of the %s cookie: %s by %s: %s',
  async (...fields) => {
    const [cookie, request = '', uri = '', path = ''] = fields;
    const { token } = await issue(JSON.parse(request));
    const cookies = await cookiesOf(uri.replace('TOKEN', token));
    const expected = path === '-' ? undefined : path.replace('TOKEN', token);
    if (cookie === 'token') expect(cookies).toEqual({ token: expected });
    else expect(cookies.resume).toBe(expected);
  },
);

test('cookies: the path of a cookie has at most 1024 characters', async () => {
  for (const [length, path] of [
    [1024, `/download/${'y'.repeat(1013)}/`],
    [1025, '/download/'],
    [1026, '/download/'],
  ] as const) {
    const prefix = `/download/${'y'.repeat(length - 11)}/`;
    const { token } = await issue({ prefix, max_uses: 1 });
    expect(await cookiesOf(`${prefix}z?token=${token}`)).toEqual({ resume: path });
  }
});

test('cookies: the token cookie contains the token, and is set if the client does not have it', async () => {
  const { token } = await issue({ prefix: '/download/hls/', cookie: true });
  const other = await issue({ prefix: '/download/hls/', cookie: true });
  const uri = '/download/hls/a.ts';
  const tokenCookie = { value: token, path: '/download/hls/' };
  expect(await authorize(`${uri}?token=${token}`)).toMatchObject({ tokenCookie });
  const bearer = { authorization: `Bearer ${token}` };
  expect(await authorize(uri, bearer)).toMatchObject({ tokenCookie });
  // This also holds for a known requester: a player may have lost the cookie.
  const counted = await issue({ prefix: '/download/hls/', cookie: true, max_uses: 1 });
  const again = { value: counted.token, path: '/download/hls/' };
  for (const redeemed of ['new', 'known']) {
    const decision = await authorize(`${uri}?token=${counted.token}`);
    expect(decision).toMatchObject({ redeemed, tokenCookie: again });
  }
  const stale = { cookie: other.token };
  expect(await authorize(`${uri}?token=${token}`, stale)).toMatchObject({ tokenCookie });
  expect(await cookiesOf(uri, { cookie: token })).toEqual({});
  expect(await cookiesOf(`${uri}?token=${token}`, { cookie: token })).toEqual({});
  const plain = await issue({ prefix: '/download/hls/' });
  expect(await cookiesOf(`${uri}?token=${plain.token}`)).toEqual({});
});

describe('cookies: of several token cookies', () => {
  test('the first that covers the request counts', async () => {
    const outer = await issue({ prefix: '/download/hls/' });
    const inner = await issue({ prefix: '/download/hls/sub/' });
    const foreign = await issue({ prefix: '/download/other/' });
    const both = { cookie: `${inner.token} ${outer.token}` };
    expect(await authorize('/download/hls/sub/a', both)).toMatchObject({ id: inner.id });
    expect(await authorize('/download/hls/a', both)).toMatchObject({ id: outer.id });
    const stale = { cookie: `ps_${'x'.repeat(32)} ${foreign.token} junk ${outer.token}` };
    expect(await authorize('/download/hls/sub/a', stale)).toMatchObject({ id: outer.id });
  });

  test('a used-up token does not hide another one', async () => {
    const spent = await issue({ prefix: '/download/hls/', max_uses: 1, bind: 'cookie' });
    const good = await issue({ prefix: '/download/hls/' });
    await authorize('/download/hls/a', { cookie: spent.token });
    const both = { cookie: `${spent.token} ${good.token}` };
    expect(await authorize('/download/hls/a', both)).toMatchObject({ id: good.id });
  });

  test('the reason is that of the first one, and only four are tried', async () => {
    const foreign = await issue({ prefix: '/download/other/' });
    const good = await issue({ prefix: '/download/hls/' });
    const unknown = Array.from({ length: 3 }, (_, i) => `ps_${String(i).repeat(32)}`);
    const denied = await authorize('/download/hls/a', { cookie: `${foreign.token} ${unknown[0]}` });
    expect(denied).toMatchObject({ code: 'insufficient_scope', id: foreign.id });
    const within = { cookie: [...unknown, good.token].join(' ') };
    expect(await authorize('/download/hls/a', within)).toMatchObject({ id: good.id });
    const beyond = { cookie: [...unknown, foreign.token, good.token].join(' ') };
    expect(await authorize('/download/hls/a', beyond)).toMatchObject({ code: 'invalid_token' });
  });

  test('none counts if a token is in the URL or in Authorization', async () => {
    const good = await issue({ prefix: '/download/hls/' });
    const unknown = `ps_${'x'.repeat(32)}`;
    const cookie = { cookie: good.token };
    const byUrl = await authorize(`/download/hls/a?token=${unknown}`, cookie);
    expect(byUrl).toMatchObject({ code: 'invalid_token' });
    const bearer = { ...cookie, authorization: `Bearer ${unknown}` };
    expect(await authorize('/download/hls/a', bearer)).toMatchObject({ code: 'invalid_token' });
  });
});

test('cookies: a folder whose path is too long, or is an argument, gets no cookie', async () => {
  const folder = (length: number) => `/download/${'漢'.repeat(length)}/`;
  await expect(issue({ prefix: folder(112), cookie: true })).resolves.toBeDefined();
  for (const prefix of [folder(113), '/logs/x/']) {
    expect((await refusal(issue({ prefix, cookie: true }))).pointers).toEqual(['/cookie']);
  }
});

const good = (await issue({ path: '/download/a' })).token;
const other = (await issue({ path: '/download/b' })).token;
const used = async (...request: Parameters<typeof authorize>) =>
  (await authorize(...request)).allow;

test('authorize: a token in the URL has priority over Authorization, and that over the cookie', async () => {
  const authorization = `Bearer ${good}`;
  expect(await used(`/download/a?token=${good}`, { authorization: `Bearer ${other}` })).toBe(true);
  expect(await used(`/download/a?token=${other}`, { authorization })).toBe(false);
  expect(await used(`/download/~${other}/a`, { authorization })).toBe(false);
  expect(await used('/download/a', { authorization, cookie: other })).toBe(true);
  expect(await used('/download/a', { authorization: `bEARER  ${good}` })).toBe(true);
  expect(await used('/download/a', { authorization: `Bearer ${other}`, cookie: good })).toBe(false);
  expect(await used('/download/a', { cookie: good })).toBe(true);
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
  const denied = await authorize('/download/a', { authorization });
  expect(denied).toMatchObject({ code: 'missing_token' });
  expect(await used('/download/a', { authorization, cookie: good })).toBe(true);
});

test('authorize: a malformed token counts as none, and hides no token elsewhere', async () => {
  for (const cookie of ['', 'x', `${good}x`, `"${good}"`]) {
    expect(await authorize('/download/a', { cookie })).toMatchObject({ code: 'missing_token' });
  }
  expect(await used('/download/a?token=theirs', { cookie: good })).toBe(true);
  expect(await used('/download/a?token=', { authorization: `Bearer ${good}` })).toBe(true);
  expect(await used(`/download/~${good}/a?token=other`)).toBe(true);
});
