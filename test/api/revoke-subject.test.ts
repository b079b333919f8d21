import { expect, test } from 'vitest';
import { createAsked, OTHER_KEY } from './ask-api.ts';

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
