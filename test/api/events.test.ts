import { expect, onTestFinished, test } from 'vitest';
import type { DenyCode } from '../../service/decide/decision.ts';
import { eventBody } from '../../service/events/event.ts';
import { emitDecision } from '../../service/gate/decision-log.ts';
import { createMemoryStore } from '../../service/store/memory.ts';
import { Unacknowledged } from '../../service/token/store.ts';
import { newToken } from '../../service/token/token.ts';
import { createAsked } from '../support/ask-api.ts';
import { startGate } from '../support/ask-gate.ts';
import { issueToken, type PosternOptions } from '../support/postern.ts';
import { recorder } from '../support/receiver.ts';
import { grantAt } from '../support/store/grants.ts';

function started(options: PosternOptions = {}) {
  const { emit, events, taken } = recorder();
  const asked = createAsked({ ...options, emit });
  onTestFinished(() => asked.store.close());
  const headers = { 'x-request-id': 'request-1' };
  /** A body that is a text is a form. */
  function ask(line: string, body?: object | string) {
    if (typeof body !== 'string') return asked.ask(line, { headers, json: body });
    return asked.ask(line, { headers, form: [...new URLSearchParams(body)] });
  }
  return { ask, events, taken };
}

const CALLER = { client: 'test', request_id: 'request-1' };

test('events: issuing one token is one event with what it opens', async () => {
  const { ask, taken } = started();
  const { body } = await ask('POST /tokens', { path: '/download/a', subject: 'u', expires_in: 60 });
  const data = { token_id: body.id, expires_in: 60, subject: 'u', path: '/download/a', ...CALLER };
  expect(taken()).toEqual([{ type: 'token.issued', timestamp: expect.any(String), data }]);
});

test('events: a batch is one event, with the IDs of its tokens', async () => {
  const { ask, taken } = started();
  const requests = Array.from({ length: 100 }, (_, i) => ({ path: `/download/${i}` }));
  const { body } = await ask('POST /tokens/batch', requests);
  const ids = body.map(({ id }: { id: string }) => id);
  expect(taken().map(({ data }) => data)).toMatchObject([
    { count: 100, token_ids: ids, ...CALLER },
  ]);
});

test('events: each way to revoke is token.revoked, unless there was no such token', async () => {
  const { ask, taken } = started();
  const issue = async () => (await ask('POST /tokens', { path: '/download/a', subject: 'u' })).body;
  const [one, two] = [await issue(), await issue(), await issue()];
  const last = await ask('POST /tokens', { path: '/download/b' });
  taken();
  await ask(`DELETE /tokens/${one.id}`);
  await ask('POST /revoke', `token=${two.access_token}`);
  await ask('DELETE /tokens?subject=u');
  await ask('DELETE /tokens?client=test');
  expect(last.status).toBe(201);
  expect(taken().map(({ type, data }) => [type, data])).toEqual([
    ['token.revoked', { by: 'id', token_id: one.id, ...CALLER }],
    ['token.revoked', { by: 'token', token_id: two.id, count: 1, ...CALLER }],
    ['token.revoked', { by: 'subject', subject: 'u', count: 1, ...CALLER }],
    ['token.revoked', { by: 'client', owner: 'test', count: 1, ...CALLER }],
  ]);
  await ask(`DELETE /tokens/${one.id}`);
  await ask('POST /revoke', `token=${two.access_token}`);
  await ask('DELETE /tokens?subject=u');
  expect(taken()).toEqual([]);
});

test('events: a revocation that replicas have not acknowledged is an event', async () => {
  const revoke = () => Promise.reject(new Unacknowledged('0 of 1 replicas acknowledged in time'));
  const { ask, taken } = started({ store: { ...createMemoryStore(), revoke } });
  const { body } = await ask('POST /tokens', { path: '/download/a' });
  taken();
  expect((await ask(`DELETE /tokens/${body.id}`)).status).toBe(503);
  expect(taken()).toMatchObject([{ type: 'token.revoked', data: { token_id: body.id } }]);
});

test('events: refused requests, and those that change nothing, are none', async () => {
  const { ask, taken } = started();
  const { body } = await ask('POST /tokens', { path: '/download/a', subject: 'u' });
  taken();
  await ask(`GET /tokens/${body.id}`);
  await ask('GET /tokens?subject=u');
  await ask(`PATCH /tokens/${body.id}`, { expires_in: 5 });
  await ask('POST /introspect', `token=${body.access_token}`);
  await ask('POST /tokens', { path: '/elsewhere/a' });
  await ask('POST /tokens', { path: '/download/a', pin: '1' });
  expect(taken()).toEqual([]);
});

test('events: an ID that looks like a piece of a token is shown, and the piece itself is not', () => {
  const [id, piece] = ['bH5bnvSps_uDFbl4OrpnaE', 'ps_uDFbl4OrpnaEx'];
  const data = { token_id: id, token_ids: [id], subject: piece };
  expect(JSON.parse(eventBody('token.revoked', 0, data)).data).toEqual({ ...data, subject: '***' });
});

const FROM = { 'X-Real-IP': '192.0.2.7', 'X-Request-ID': 'a'.repeat(32) };
const KNOWN = {
  ...{ method: 'GET', site: 'files.example', address: '192.0.2.7', request_id: 'a'.repeat(32) },
};

/** The gate, whose events the test takes. */
async function startedGate(options: PosternOptions = {}) {
  const { emit, events, taken } = recorder();
  const gate = await startGate({ emit, ...options });
  const issue = async (body: object) => {
    const issued = await issueToken(gate.api, body);
    taken();
    return issued;
  };
  return { ...gate, issue, events, taken };
}

test('events: the first use of a token is token.redeemed, and no other use', async () => {
  const { issue, authRequest, taken } = await startedGate();
  const { url, id } = await issue({ path: '/download/a', subject: 'u', max_uses: 2 });
  await authRequest(url, { ...FROM, 'X-Original-Method': 'HEAD' });
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
  const { issue, authRequest, confirm, taken } = await startedGate();
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
  const { issue, authRequest, taken } = await startedGate();
  const { url } = await issue({ path: '/download/a' });
  await authRequest(url, FROM);
  await authRequest('/download/a', FROM);
  await authRequest('/download/%00', FROM);
  expect(taken()).toEqual([]);
  await authRequest(url.replace('/a?', '/b?'), FROM);
  expect(taken()).toMatchObject([{ data: { reason: 'insufficient_scope', path: '/download/b' } }]);
});

test('events: no event contains a token, also not from a path, a subject or a query', async () => {
  const { issue, authRequest, confirm, events } = await startedGate();
  const token = newToken();
  const body = { prefix: '/download/', subject: token, max_uses: 9, confirm: true, pin: '909090' };
  const { url, access_token: own } = await issue(body);
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
  const memory = createMemoryStore();
  let release = () => {};
  const held = new Promise<void>((resolve) => (release = resolve));
  const redeem: typeof memory.redeem = (...args) => held.then(() => memory.redeem(...args));
  const store = { ...memory, redeem };
  const { issue, authRequest, taken } = await startedGate({ store, decisionMs: 50 });
  const { url } = await issue({ path: '/download/a', max_uses: 1 });
  expect((await authRequest(url, FROM)).status).toBe(503);
  expect(taken()).toEqual([]);
  release();
  await expect.poll(taken).toMatchObject([{ type: 'token.redeemed' }]);
});
