import { expect, test } from 'vitest';
import { newToken, tokenId } from '../../service/token/token.ts';
import { createAsked, OTHER_KEY } from '../support/ask-api.ts';
import { startGate } from '../support/ask-gate.ts';

async function issued(more: object = {}) {
  const asked = createAsked();
  const json = { path: '/download/a', subject: 'user-42', ...more };
  const { id, access_token: token } = (await asked.ask('POST /tokens', { json })).body;
  return { ...asked, id: id as string, token: token as string };
}

test('show: shows the grant, without its token', async () => {
  const { ask, id, token } = await issued({
    filename: 'b.pdf',
    size: 9,
    sender: 'Ada',
    limit_rate: 5,
    site: 'a.example',
  });
  const { status, body, text, headers } = await ask(`GET /tokens/${id}`);
  expect([status, headers.get('cache-control')]).toEqual([200, 'no-store']);
  expect(body).toEqual({
    ...{ id, client_id: 'test', path: '/download/a', site: 'a.example', subject: 'user-42' },
    ...{
      filename: 'b.pdf',
      size: 9,
      sender: 'Ada',
      limit_rate: 5,
      iat: 1_800_000_000,
      exp: 1_800_000_120,
    },
  });
  expect(text).not.toContain(token);
});

test('prolong: sets the end to expires_in seconds from now, later or earlier', async () => {
  const { ask, id, clock } = await issued();
  clock.now += 60_000;
  const later = await ask(`PATCH /tokens/${id}`, { json: { expires_in: 3600 } });
  expect(later).toMatchObject({ status: 200, body: { exp: 1_800_003_660 } });
  const earlier = await ask(`PATCH /tokens/${id}`, { json: { expires_in: 1 } });
  expect(earlier).toMatchObject({ status: 200, body: { exp: 1_800_000_061 } });
  clock.now += 1000;
  expect((await ask(`GET /tokens/${id}`)).status).toBe(404);
});

test.each([
  [{ expires_in: 3601 }, '#/expires_in'],
  [{ expires_in: 0 }, '#/expires_in'],
  [{ expires_in: '60' }, '#/expires_in'],
  [{}, '#/expires_in', 'is required'],
  [{ expires_in: 60, path: '/download/b' }, '#/path'],
  [[{ expires_in: 60 }], '#', 'must be an object'],
])('prolong: %j is rejected at %s', async (json, pointer, detail = expect.any(String)) => {
  const { ask, id } = await issued();
  const reply = await ask(`PATCH /tokens/${id}`, { json });
  expect(reply).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
  expect(reply.body.errors[0]).toEqual({ pointer, detail });
  expect((await ask(`GET /tokens/${id}`)).body.exp).toBe(1_800_000_120);
});

test('prolong: a body that is not JSON is rejected', async () => {
  const { ask, id } = await issued();
  expect((await ask(`PATCH /tokens/${id}`, { form: { expires_in: '60' } })).status).toBe(415);
});

test('revoke: revokes the token, and a second request gets 404', async () => {
  const { ask, id } = await issued();
  const first = await ask(`DELETE /tokens/${id}`);
  expect([first.status, first.text]).toEqual([204, '']);
  expect(first.headers.get('cache-control')).toBe('no-store');
  expect((await ask(`DELETE /tokens/${id}`)).status).toBe(404);
});

test.each(['GET', 'PATCH', 'DELETE'])('%s /tokens/ID: an unknown ID gets 404', async (method) => {
  const { ask, id, token, clock } = await issued();
  const json = method === 'PATCH' ? { json: { expires_in: 60 } } : {};
  const missing = { status: 404, body: { code: 'not_found', status: 404 } };
  for (const name of [tokenId(newToken()), token, 'x', '..', '%00', '%ff', `${id}x`]) {
    expect(await ask(`${method} /tokens/${name}`, json)).toMatchObject(missing);
  }
  const others = await ask(`${method} /tokens/${id}`, { key: OTHER_KEY, ...json });
  expect(others).toMatchObject(missing);
  expect((await ask(`GET /tokens/${id}`)).status).toBe(200);
  clock.now += 120_000;
  expect(await ask(`${method} /tokens/${id}`, json)).toMatchObject(missing);
});

test('introspect: a valid token of the same client is active (RFC 7662)', async () => {
  const { ask, id, token } = await issued({ prefix: '/download/a/', path: undefined });
  const form = { token, token_type_hint: 'access_token' };
  const { status, headers, body } = await ask('POST /introspect', { form });
  expect([status, headers.get('cache-control')]).toEqual([200, 'no-store']);
  expect(body).toEqual({
    ...{ active: true, token_type: 'Bearer', client_id: 'test', jti: id, sub: 'user-42' },
    ...{ prefix: '/download/a/', iat: 1_800_000_000, exp: 1_800_000_120 },
  });
});

test('introspect: every other token is inactive, without further fields', async () => {
  const { ask, token, id, clock } = await issued({ prefix: '/download/a/', path: undefined });
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

const RANGES = ['192.0.2.0/24', '2001:db8::/32'];

async function counted() {
  const asked = createAsked();
  const json = { path: '/download/a', max_uses: 2, resume_for: 600, ip: RANGES };
  const { id, url, access_token: token } = (await asked.ask('POST /tokens', { json })).body;
  const gate = await startGate({ store: asked.store, now: () => asked.clock.now });
  const use = async (address: string) =>
    (await gate.authRequest(url, { 'X-Real-IP': address })).status;
  return { ...asked, use, id: id as string, token: token as string };
}

test('uses: the state has uses_left, requesters and their ends, in whole seconds', async () => {
  const { ask, clock, use, id, token } = await counted();
  const fixed = {
    ...{ path: '/download/a', max_uses: 2, resume_for: 600, bind: 'any', ip: RANGES },
    ...{ iat: 1_800_000_000, exp: 1_800_000_120 },
  };
  const none = { requesters: [], requesters_total: 0 };
  const unused = (await ask(`GET /tokens/${id}`)).body;
  expect(unused).toEqual({ id, client_id: 'test', ...fixed, uses_left: 2, ...none });

  clock.now += 10_999;
  expect(await use('192.0.2.1')).toBe(204);
  clock.now += 9_001;
  expect(await use('2001:db8::5')).toBe(204);
  expect(await use('192.0.2.3')).toBe(401);
  const state = {
    client_id: 'test',
    ...fixed,
    uses_left: 0,
    resumable_until: 1_800_000_620,
    requesters_total: 2,
    requesters: [
      { address: '192.0.2.1', began: 1_800_000_010, resumable_until: 1_800_000_610 },
      { address: '2001:db8::/64', began: 1_800_000_020, resumable_until: 1_800_000_620 },
    ],
  };
  expect((await ask(`GET /tokens/${id}`)).body).toEqual({ id, ...state });
  const introspect = async () => (await ask('POST /introspect', { form: { token } })).body;
  const active = { active: true, token_type: 'Bearer', jti: id, ...state };
  expect(await introspect()).toEqual(active);
  // An introspection takes no use, and a token that can be resumed has not ended.
  clock.now += 300_000;
  expect(await introspect()).toEqual(active);
  clock.now += 300_000;
  expect(await introspect()).toEqual({ active: false });
});

test('uses: without resume_for a requester may continue until the token expires', async () => {
  const { ask, store } = createAsked();
  const json = { path: '/download/a', max_uses: 1, resume_for: 0 };
  const { id } = (await ask('POST /tokens', { json })).body;
  await store.redeem(id, { cookies: [], newCookie: 'x'.repeat(22) }, true);
  expect((await ask(`GET /tokens/${id}`)).body).toMatchObject({
    exp: 1_800_000_120,
    resumable_until: 1_800_000_120,
    requesters: [{ began: 1_800_000_000, resumable_until: 1_800_000_120 }],
  });
});

test('uses: the state of a token with cookies, and of a resumable token', async () => {
  const { ask } = createAsked();
  const json = [
    { prefix: '/download/', cookie: true },
    { path: '/download/a', resume_for: 60, bind: 'cookie' },
  ];
  const [player, resumable] = (await ask('POST /tokens/batch', { json })).body;
  const first = (await ask(`GET /tokens/${player.id}`)).body;
  expect(first).toMatchObject({ cookie: true });
  expect(first).not.toHaveProperty('requesters');
  const second = (await ask(`GET /tokens/${resumable.id}`)).body;
  expect(second).toMatchObject({ resume_for: 60, bind: 'cookie', requesters: [] });
  expect(second).not.toHaveProperty('max_uses');
  expect(second).not.toHaveProperty('uses_left');
});
