import { decodeJwt } from 'jose';
import { expect, test } from 'vitest';
import { createAsked, keptLog } from '../support/ask-api.ts';
import { startGate } from '../support/ask-gate.ts';
import { signedGate } from '../support/jwt/signed.ts';
import { issueToken } from '../support/postern.ts';

const NOW = 1_800_000_000;
const path = '/download/a';

async function started(more: object = {}, decisionTtl = 0) {
  const clock = { now: NOW * 1000 };
  const { log, withoutAudit } = keptLog();
  const gate = await startGate({ log, decisionTtl, now: () => clock.now });
  const body = { path, not_before: NOW + 60, expires_in: 120, ...more };
  const token = await issueToken(gate.api, body);
  const codeOf = async () => (await gate.authRequest(token.url)).headers['postern-reason'];
  return { ...gate, ...token, clock, codeOf, withoutAudit };
}

test.each([
  ['', 0],
  [' with a decision cache', 5],
])('not_before: an earlier use%s is denied, and the log has the reason', async (_, ttl) => {
  const { clock, codeOf, id, withoutAudit } = await started({}, ttl);
  clock.now += 59_999;
  expect(await codeOf()).toBe('invalid_token');
  expect(withoutAudit()).toMatchObject([
    { code: 'invalid_token', token_id: id, reason: 'not_before: is later than now' },
  ]);
  clock.now += 1;
  expect(await codeOf()).toBeUndefined();
  // The end counts from issuing.
  clock.now = (NOW + 120) * 1000;
  expect(await codeOf()).toBe('invalid_token');
});

test('not_before: an earlier use takes no use, and no attempt to enter a PIN', async () => {
  const { confirm, url, store, id } = await started({ max_uses: 1, confirm: true, pin: '1234' });
  expect((await confirm(url)).headers['postern-reason']).toBe('invalid_token');
  expect((await store.requesters(id)).total).toBe(0);
  expect(await store.countAttempt(id, 10)).toBe(1);
});

test('not_before: the API shows, lists and revokes the token earlier, and it is not active', async () => {
  const { ask } = createAsked();
  const json = { path, not_before: NOW + 60, expires_in: 120 };
  const { id, access_token: token } = (await ask('POST /tokens', { json })).body;
  const state = { id, iat: NOW, exp: NOW + 120, not_before: NOW + 60 };
  expect((await ask(`GET /tokens/${id}`)).body).toMatchObject(state);
  expect((await ask('GET /tokens')).body.tokens).toMatchObject([state]);
  expect((await ask('POST /introspect', { form: { token } })).body).toEqual({ active: false });
  await ask('POST /revoke', { form: { token } });
  expect((await ask(`GET /tokens/${id}`)).status).toBe(404);
});

test.each([true, false])('not_before: is nbf of a JWT, with revocable: %s', async (revocable) => {
  const { issue, codeOf, clock } = await signedGate();
  const { access_token: token, url } = await issue({ path, not_before: NOW + 60, revocable });
  expect(decodeJwt(token)).toMatchObject({ iat: NOW, nbf: NOW + 60, exp: NOW + 120 });
  expect(await codeOf(url)).toBe('invalid_token');
  clock.now += 60_000;
  expect(await codeOf(url)).toBe('allow');
});

test('not_before: a time in the past changes nothing, and nbf of a JWT is iat, and is not shown', async () => {
  const { issue, ask, codeOf } = await signedGate();
  for (const more of [{}, { not_before: NOW - 60 }]) {
    const issued = await issue({ path, revocable: false, ...more });
    const { access_token: token, url } = issued;
    expect(decodeJwt(token)).toMatchObject({ iat: NOW, nbf: NOW });
    expect(await codeOf(url)).toBe('allow');
    const { body } = await ask('POST /introspect', { form: { token } });
    expect([body.active, body.not_before]).toEqual([true, undefined]);
  }
});
