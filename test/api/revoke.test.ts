import { expect, test } from 'vitest';
import { newToken } from '../../service/token/token.ts';
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
