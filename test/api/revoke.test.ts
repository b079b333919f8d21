import { expect, test } from 'vitest';
import { newToken } from '../../service/domain/token.ts';
import { createAsked, OTHER_KEY } from './ask-api.ts';

test('a token is ended, and again it is 200 (RFC 7009)', async () => {
  const { ask } = createAsked();
  const { access_token: token, id } = (await ask('POST /tokens', { json: { path: '/download/a' } }))
    .body;
  for (let i = 0; i < 2; i += 1) {
    const { status, text, headers } = await ask('POST /revoke', { form: { token } });
    expect([status, text, headers.get('cache-control')]).toEqual([200, '', 'no-store']);
    expect((await ask(`GET /tokens/${id}`)).status).toBe(404);
  }
});

test("what is unknown, of another shape or another client's is 200 and untouched", async () => {
  const { ask } = createAsked();
  const { access_token: token, id } = (await ask('POST /tokens', { json: { path: '/download/a' } }))
    .body;
  for (const other of [newToken(), 'another shape', id]) {
    expect((await ask('POST /revoke', { form: { token: other } })).status).toBe(200);
  }
  expect((await ask('POST /revoke', { form: { token }, key: OTHER_KEY })).status).toBe(200);
  expect((await ask(`GET /tokens/${id}`)).status).toBe(200);
});
