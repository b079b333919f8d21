import { expect, test } from 'vitest';
import { createAsked } from '../api/ask-api.ts';
import { startGate } from './ask-gate.ts';

async function counted() {
  const asked = createAsked();
  const json = {
    path: '/download/a',
    max_uses: 2,
    resume_for: 600,
    ip: ['192.0.2.0/24', '2001:db8::/32'],
  };
  const { id, url, access_token: token } = (await asked.ask('POST /tokens', { json })).body;
  const { ask } = asked;
  const use = async (address: string) => {
    const headers = { 'X-Original-URI': url, 'X-Original-Method': 'GET', 'X-Real-IP': address };
    return (await gate.ask('/auth-request', { 'Postern-Site': 'files.example', ...headers }))
      .status;
  };
  const gate = await startGate({ store: asked.store, now: () => asked.clock.now });
  return { ...asked, ask, use, id: id as string, token: token as string };
}

test('uses: the state has uses_left, requesters and their ends', async () => {
  const { ask, clock, use, id, token } = await counted();
  const fixed = {
    path: '/download/a',
    max_uses: 2,
    resume_for: 600,
    bind: 'any',
    ip: ['192.0.2.0/24', '2001:db8::/32'],
    iat: 1_800_000_000,
    exp: 1_800_000_120,
  };
  const unused = (await ask(`GET /tokens/${id}`)).body;
  expect(unused).toEqual({ id, client_id: 'test', ...fixed, uses_left: 2, requesters: [] });

  clock.now += 10_000;
  expect(await use('192.0.2.1')).toBe(204);
  clock.now += 10_000;
  expect(await use('2001:db8::5')).toBe(204);
  expect(await use('192.0.2.3')).toBe(401);
  const state = {
    client_id: 'test',
    ...fixed,
    uses_left: 0,
    resumable_until: 1_800_000_620,
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

test('uses: times are rounded down to whole seconds', async () => {
  const { ask, clock, use, id } = await counted();
  clock.now += 10_999;
  expect(await use('192.0.2.1')).toBe(204);
  expect((await ask(`GET /tokens/${id}`)).body.requesters).toEqual([
    { address: '192.0.2.1', began: 1_800_000_010, resumable_until: 1_800_000_610 },
  ]);
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
