import { expect, test } from 'vitest';
import { apiKey, KEY } from '../support/postern.ts';
import { createAsked, OTHER_KEY } from './ask-api.ts';

const ADMIN_KEY = 'the-key-of-the-administrator';

async function asked() {
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
  const { ask, left } = await asked();
  expect(await ask('DELETE /tokens?client=web')).toMatchObject({
    status: 200,
    body: { revoked: 2 },
  });
  expect(await left()).toEqual([0, 2, 2]);
  expect((await ask('DELETE /tokens?client=web')).body).toEqual({ revoked: 0 });
});

test('revoke: a client with admin revokes the tokens of any client, also of a removed one', async () => {
  const { ask, left } = await asked();
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
    const { ask, left } = await asked();
    expect(await ask(`DELETE /tokens?${query}`)).toMatchObject({
      status: 403,
      body: { code: 'insufficient_scope' },
    });
    expect(await left()).toEqual([2, 2, 2]);
  },
);

test.each([
  'client=',
  'client=web&client=web',
  'client=web&sub=a',
  'Client=web',
  'client=web&path=/a',
])('revoke: DELETE /tokens?%s revokes nothing', async (query) => {
  const { ask, left } = await asked();
  expect(await ask(`DELETE /tokens?${query}`, { key: ADMIN_KEY })).toMatchObject({
    status: 400,
    body: { code: 'invalid_request' },
  });
  expect(await left()).toEqual([2, 2, 2]);
});
