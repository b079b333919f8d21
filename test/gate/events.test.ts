import { expect, test } from 'vitest';
import type { DenyCode } from '../../service/decide/decision.ts';
import { emitDecision } from '../../service/gate/report.ts';
import { createMemoryStore } from '../../service/store/memory.ts';
import { newToken } from '../../service/token/token.ts';
import { grantAt } from '../store/grants.ts';
import { issueToken } from '../support/postern.ts';
import { recorder } from '../webhooks/receiver.ts';
import { startGate } from './ask-gate.ts';

const FROM = { 'X-Real-IP': '192.0.2.7', 'X-Request-ID': 'a'.repeat(32) };
const KNOWN = {
  method: 'GET',
  site: 'files.example',
  address: '192.0.2.7',
  request_id: 'a'.repeat(32),
};

async function started() {
  const { emit, taken } = recorder();
  const gate = await startGate({ emit });
  const issue = async (body: object) => {
    const issued = await issueToken(gate.api, body);
    taken();
    return issued;
  };
  return { ...gate, issue, taken };
}

test('events: the first use of a token is token.redeemed, and no other use', async () => {
  const { issue, authRequest, ask, taken } = await started();
  const { url, id } = await issue({ path: '/download/a', subject: 'u', max_uses: 2 });
  const about = { 'X-Original-URI': url, 'Postern-Site': 'files.example', ...FROM };
  await ask('/auth-request', { ...about, 'X-Original-Method': 'HEAD' });
  expect(taken()).toEqual([]);
  expect((await authRequest(url, FROM)).status).toBe(204);
  const data = { token_id: id, client: 'test', subject: 'u', path: '/download/a', ...KNOWN };
  expect(taken()).toEqual([{ type: 'token.redeemed', timestamp: expect.anything(), data }]);
  await authRequest(url, FROM);
  expect(taken()).toEqual([]);
  await authRequest(url, { ...FROM, 'X-Real-IP': '192.0.2.8' });
  expect(taken()).toMatchObject([{ type: 'token.redeemed', data: { address: '192.0.2.8' } }]);
  await authRequest(url, { ...FROM, 'X-Real-IP': '192.0.2.9' });
  const refused = { token_id: id, subject: 'u', path: '/download/a', reason: 'invalid_token' };
  expect(taken()).toMatchObject([{ type: 'token.refused', data: refused }]);
});

test('events: a confirmation is token.redeemed, and the page with the button is no event', async () => {
  const { issue, authRequest, confirm, taken } = await started();
  const withPin = await issue({ path: '/download/a', confirm: true, pin: '123456' });
  await authRequest(withPin.url, FROM);
  await confirm(withPin.url, FROM);
  expect(taken()).toEqual([]);
  const { url: open, id: other } = await issue({ path: '/download/b', confirm: true });
  await confirm(open, { ...FROM, Origin: 'https://evil.example' });
  expect(taken()).toMatchObject([{ type: 'token.refused', data: { reason: 'cross_origin' } }]);
  await confirm(open, FROM);
  const data = { token_id: other, client: 'test', path: '/download/b', address: '192.0.2.7' };
  expect(taken()).toMatchObject([{ type: 'token.redeemed', data }]);
  await authRequest(open, FROM);
  await confirm(open, FROM);
  expect(taken()).toEqual([]);
});

test('events: a token without uses is never redeemed, and a request without a token not refused', async () => {
  const { issue, authRequest, taken } = await started();
  const { url } = await issue({ path: '/download/a' });
  await authRequest(url, FROM);
  await authRequest('/download/a', FROM);
  await authRequest('/download/%00', FROM);
  expect(taken()).toEqual([]);
  await authRequest(url.replace('/a?', '/b?'), FROM);
  expect(taken()).toMatchObject([{ data: { reason: 'insufficient_scope', path: '/download/b' } }]);
});

test('events: no event contains a token, also not from a path, a subject or a query', async () => {
  const { emit, events } = recorder();
  const { api, authRequest, confirm } = await startGate({ emit });
  const token = newToken();
  const body = { prefix: '/download/', subject: token, max_uses: 9, confirm: true, pin: '909090' };
  const { url, access_token: own } = await issueToken(api, body);
  const uris = [`${url}${token}/${own}?a=${token}`, `/download/~${token}/a`, `${url}a?b=secret`];
  for (const uri of uris) {
    await authRequest(uri, { ...FROM, Authorization: `Bearer ${token}`, Referer: token });
    await confirm(uri, FROM);
  }
  expect(events.length).toBeGreaterThan(1);
  for (const secret of [token.slice(3), own.slice(3), '909090', 'secret']) {
    expect(JSON.stringify(events)).not.toContain(secret);
  }
});

test('events: only denials of a token are token.refused', () => {
  const { emit, taken } = recorder();
  const refusals = 'invalid_token insufficient_scope path_is_folder pin_wrong cross_origin';
  const others =
    'missing_token prefetch invalid_request confirmation_required pin_required unavailable';
  for (const code of `${refusals} ${others}`.split(' ') as DenyCode[]) {
    emitDecision(emit, {}, { allow: false, code });
  }
  expect(taken().map(({ data }) => data.reason)).toEqual(refusals.split(' '));
});

test('events: a token that wrong PINs have revoked is token.revoked', () => {
  const { emit, taken } = recorder();
  const locked = grantAt(0, { client: 'web', subject: 'u' });
  const known = { id: 'an-id', path: '/download/a', subject: 'u', refused: true } as const;
  emitDecision(emit, {}, { allow: false, code: 'invalid_token', ...known, locked });
  const data = { by: 'pin', token_id: 'an-id', client: 'web', subject: 'u', path: '/download/a' };
  expect(taken()).toEqual([{ type: 'token.revoked', timestamp: expect.any(String), data }]);
});

test('events: refusals have one limit, and so has each token that any number of requesters may use', async () => {
  const limits: Array<string | undefined> = [];
  const { api, confirm, authRequest } = await startGate({
    emit: (type, _, limit) => {
      if (type !== 'token.issued') limits.push(limit);
    },
  });
  const issue = (body: object) => issueToken(api, { path: '/download/a', ...body });
  const open = await issue({ resume_for: 60 });
  await authRequest(open.url, FROM);
  await authRequest(open.url.replace('/a?', '/b?'), FROM);
  await authRequest(`/download/a?token=${newToken()}`, FROM);
  const confirmed = await issue({ confirm: true });
  await confirm(confirmed.url, FROM);
  await authRequest((await issue({ max_uses: 2 })).url, FROM);
  expect(limits).toEqual([open.id, 'refused', 'refused', confirmed.id, undefined]);
});

test('events: a use that is taken too late for its answer is reported', async () => {
  const { emit, taken } = recorder();
  const memory = createMemoryStore();
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const redeem: typeof memory.redeem = async (...args) => {
    await held;
    return memory.redeem(...args);
  };
  const { api, authRequest } = await startGate({
    emit,
    store: { ...memory, redeem },
    decisionMs: 50,
  });
  const { url } = await issueToken(api, { path: '/download/a', max_uses: 1 });
  taken();
  expect((await authRequest(url, FROM)).status).toBe(503);
  expect(taken()).toEqual([]);
  release();
  await expect.poll(taken).toMatchObject([{ type: 'token.redeemed' }]);
});
