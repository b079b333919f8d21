import { expect, test } from 'vitest';
import { newToken } from '../../service/token/token.ts';
import { createAsked, OTHER_KEY } from './ask-api.ts';

async function issued() {
  const asked = createAsked();
  const json = { prefix: '/download/a/', subject: 'user-42' };
  const { id, access_token: token } = (await asked.ask('POST /tokens', { json })).body;
  return { ...asked, id: id as string, token: token as string };
}

test('introspect: a valid token of the same client is active (RFC 7662)', async () => {
  const { ask, id, token } = await issued();
  const form = { token, token_type_hint: 'access_token' };
  const { status, headers, body } = await ask('POST /introspect', { form });
  expect([status, headers.get('cache-control')]).toEqual([200, 'no-store']);
  expect(body).toEqual({
    active: true,
    token_type: 'Bearer',
    client_id: 'test',
    jti: id,
    sub: 'user-42',
    prefix: '/download/a/',
    iat: 1_800_000_000,
    exp: 1_800_000_120,
  });
});

test('introspect: every other token is inactive, without further fields', async () => {
  const { ask, token, id, clock } = await issued();
  const inactive = async (form: { token: string }, key?: string) =>
    expect(await ask('POST /introspect', { form, key })).toMatchObject({
      status: 200,
      text: '{"active":false}',
    });
  await inactive({ token: newToken() });
  await inactive({ token: 'another shape' });
  await inactive({ token: id });
  await inactive({ token }, OTHER_KEY);
  clock.now += 120_000;
  await inactive({ token });
});

test.each<[string, Array<[string, string]>]>([
  ['none', [['x', 'y']]],
  ['an empty one', [['token', '']]],
  [
    'two',
    [
      ['token', 'a'],
      ['token', 'b'],
    ],
  ],
])('introspect, revoke: %s gets invalid_request', async (_, form) => {
  const { ask } = await issued();
  for (const path of ['/introspect', '/revoke']) {
    expect(await ask(`POST ${path}`, { form })).toMatchObject({
      status: 400,
      body: { code: 'invalid_request', errors: [{ pointer: '#/token' }] },
    });
  }
});

test('introspect, revoke: a body that is not a form is rejected', async () => {
  const { ask, token } = await issued();
  for (const path of ['/introspect', '/revoke']) {
    const reply = await ask(`POST ${path}`, { json: { token } });
    expect(reply).toMatchObject({ status: 415, body: { code: 'unsupported_media_type' } });
  }
  expect((await ask('POST /introspect', { form: { token } })).body.active).toBe(true);
});
