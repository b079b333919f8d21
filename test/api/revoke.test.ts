import { expect, test } from 'vitest';
import { newToken } from '../../service/token/token.ts';
import { apiKey, KEY } from '../support/postern.ts';
import { createAsked, OTHER_KEY } from './ask-api.ts';

test('revoke: a token is revoked, and a second request gets 200 too (RFC 7009)', async () => {
  const { ask } = createAsked();
  const { access_token: token, id } = (await ask('POST /tokens', { json: { path: '/download/a' } }))
    .body;
  for (let i = 0; i < 2; i += 1) {
    const { status, text, headers } = await ask('POST /revoke', { form: { token } });
    expect([status, text, headers.get('cache-control')]).toEqual([200, '', 'no-store']);
    expect((await ask(`GET /tokens/${id}`)).status).toBe(404);
  }
});

test('revoke: an unknown or malformed token, or one of another client, gets 200 and is not changed', async () => {
  const { ask } = createAsked();
  const { access_token: token, id } = (await ask('POST /tokens', { json: { path: '/download/a' } }))
    .body;
  for (const other of [newToken(), 'another shape', id]) {
    expect((await ask('POST /revoke', { form: { token: other } })).status).toBe(200);
  }
  expect((await ask('POST /revoke', { form: { token }, key: OTHER_KEY })).status).toBe(200);
  expect((await ask(`GET /tokens/${id}`)).status).toBe(200);
});

test('revoke: DELETE /tokens?subject= revokes all tokens of the subject, and no others', async () => {
  const { ask } = createAsked();
  const json = ['a b', 'a b', 'c'].map((subject) => ({ path: '/download/a', subject }));
  const mine = (await ask('POST /tokens/batch', { json })).body;
  const theirs = (await ask('POST /tokens/batch', { json, key: OTHER_KEY })).body;

  const { status, body } = await ask('DELETE /tokens?subject=a%20b');
  expect([status, body]).toEqual([200, { revoked: 2 }]);
  const statuses = async (of: Array<{ id: string }>, key?: string) =>
    Promise.all(of.map(async ({ id }) => (await ask(`GET /tokens/${id}`, { key })).status));
  expect(await statuses(mine)).toEqual([404, 404, 200]);
  expect(await statuses(theirs, OTHER_KEY)).toEqual([200, 200, 200]);
  expect((await ask('DELETE /tokens?subject=a%20b')).body).toEqual({ revoked: 0 });
});

test.each(['', '?subject=', '?subject=a&subject=b', '?sub=a', '?Subject=a'])(
  'revoke: DELETE /tokens%s revokes nothing',
  async (query) => {
    const { ask } = createAsked();
    const json = { path: '/download/a', subject: 'a' };
    const { id } = (await ask('POST /tokens', { json })).body;
    expect(await ask(`DELETE /tokens${query}`)).toMatchObject({
      status: 400,
      body: { code: 'invalid_request' },
    });
    expect((await ask(`GET /tokens/${id}`)).status).toBe(200);
  },
);

const ADMIN_KEY = 'the-key-of-the-administrator';

async function threeClients() {
  const apiKeys = [
    apiKey(KEY, { id: 'web' }),
    apiKey(OTHER_KEY, { id: 'other' }),
    apiKey(ADMIN_KEY, { id: 'ops', admin: true }),
  ];
  const { ask } = createAsked({ apiKeys });
  const json = [{ subject: 'a' }, {}].map((more) => ({ path: '/download/a', ...more }));
  const keys = [KEY, OTHER_KEY, ADMIN_KEY];
  await Promise.all(keys.map((key) => ask('POST /tokens/batch', { json, key })));
  /** How many tokens each of the clients has: web, other, ops. */
  const left = () =>
    Promise.all(keys.map(async (key) => (await ask('GET /tokens', { key })).body.tokens.length));
  return { ask, left };
}

test('revoke: DELETE /tokens?client= revokes all own tokens, and no others', async () => {
  const { ask, left } = await threeClients();
  const revoked = { status: 200, body: { revoked: 2 } };
  expect(await ask('DELETE /tokens?client=web')).toMatchObject(revoked);
  expect(await left()).toEqual([0, 2, 2]);
  expect((await ask('DELETE /tokens?client=web')).body).toEqual({ revoked: 0 });
});

test('revoke: a client with admin revokes the tokens of any client, also of a removed one', async () => {
  const { ask, left } = await threeClients();
  const revoke = async (query: string) =>
    (await ask(`DELETE /tokens?${query}`, { key: ADMIN_KEY })).body;
  expect(await revoke('client=web&subject=a')).toEqual({ revoked: 1 });
  expect(await revoke('client=web')).toEqual({ revoked: 1 });
  expect(await revoke('client=removed')).toEqual({ revoked: 0 });
  expect(await left()).toEqual([0, 2, 2]);
  expect(await revoke('subject=a')).toEqual({ revoked: 1 });
  expect(await left()).toEqual([0, 2, 1]);
});

test.each(['client=other', 'client=ops', 'client=other&subject=a', 'client=WEB', 'client=web%20'])(
  'revoke: without admin, DELETE /tokens?%s is insufficient_scope',
  async (query) => {
    const { ask, left } = await threeClients();
    expect(await ask(`DELETE /tokens?${query}`)).toMatchObject({
      status: 403,
      body: { code: 'insufficient_scope' },
    });
    expect(await left()).toEqual([2, 2, 2]);
  },
);

test.each([
  ...['client=', 'client=web&client=web', 'client=web&sub=a', 'Client=web', 'client=web&path=/a'],
])('revoke: DELETE /tokens?%s revokes nothing', async (query) => {
  const { ask, left } = await threeClients();
  expect(await ask(`DELETE /tokens?${query}`, { key: ADMIN_KEY })).toMatchObject({
    status: 400,
    body: { code: 'invalid_request' },
  });
  expect(await left()).toEqual([2, 2, 2]);
});
