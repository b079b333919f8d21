import { expect, test } from 'vitest';
import { createMemoryStore } from '../../service/store/memory.ts';
import { StoreUnavailable, Unacknowledged } from '../../service/token/store.ts';
import { brokenStore, createAsked, keptLog } from '../support/ask-api.ts';
import { KEY } from '../support/postern.ts';

test.each([
  ['PUT /tokens', 'GET, POST, DELETE'],
  ['PUT /tokens/x', 'GET, PATCH, DELETE'],
  ['POST /tokens/x', 'GET, PATCH, DELETE'],
  ['GET /introspect', 'POST'],
  ['DELETE /revoke', 'POST'],
])('%s: use %s', async (line, allow) => {
  const { ask } = createAsked();
  const { status, headers, body } = await ask(line);
  expect([status, body.code]).toEqual([405, 'method_not_allowed']);
  expect(headers.get('allow')).toBe(allow);
  expect(headers.get('cache-control')).toBe('no-store');
  const isOAuth = /introspect|revoke/.test(line);
  const type = isOAuth ? 'application/json' : 'application/problem+json';
  expect(headers.get('content-type')).toBe(type);
});

test.each([
  ['GET /', undefined],
  ['GET /nothing', undefined],
  ['POST /token', 'The endpoint is /tokens.'],
  ['POST /tokens/', 'The endpoint is /tokens.'],
  ['GET /auth-request', 'This is the API, not the gate.'],
  ['GET /x-accel', 'This is the API, not the gate.'],
])('API: %s gets 404', async (line, detail) => {
  const { ask } = createAsked();
  const { status, headers, body } = await ask(line);
  expect([status, body.code, body.detail]).toEqual([404, 'not_found', detail]);
  expect(headers.get('cache-control')).toBe('no-store');
});

test.each([
  ['no credential', undefined, false],
  ['another key', 'Bearer another-key-of-this-length', true],
  ['a part of the key', `Bearer ${KEY.slice(0, -1)}`, true],
  ['the key and more', `Bearer ${KEY} x`, false],
  ['another scheme', `Digest ${btoa(`test:${KEY}`)}`, false],
  ['the key without a scheme', KEY, false],
  ['an empty key', 'Bearer ', false],
])('API: %s gets 401 on every endpoint', async (_, authorization, isKey) => {
  const { ask } = createAsked();
  for (const line of [
    ...['POST /tokens', 'GET /tokens/x', 'POST /introspect', 'POST /revoke', 'GET /x'],
    // A key in the query is not accepted.
    `GET /tokens/x?access_token=${KEY}`,
  ]) {
    const reply = await ask(line, { key: '', headers: authorization ? { authorization } : {} });
    expect(reply).toMatchObject({ status: 401, body: { code: 'invalid_client', status: 401 } });
    expect(reply.body.detail).toContain(isKey ? 'No client has this API key' : 'Send an API key');
    const challenge = `Bearer realm="postern-api"${isKey ? ', error="invalid_token"' : ''}`;
    expect(reply.headers.get('www-authenticate')).toBe(challenge);
    expect(reply.headers.get('cache-control')).toBe('no-store');
  }
});

test.each(['/auth-request', '/x-accel'])(
  'the API answers %s with 404 without a key, and logs once what is wrong',
  async (path) => {
    const { log, parsed } = keptLog();
    const { ask } = createAsked({ log });
    for (let i = 0; i < 3; i += 1) {
      const found = { status: 404, body: { code: 'not_found' } };
      expect(await ask(`GET ${path}`, { key: '' })).toMatchObject(found);
    }
    const msg = expect.stringContaining('POSTERN_LISTEN');
    expect(parsed()).toEqual([expect.objectContaining({ level: 40, path, msg })]);
  },
);

test('health: /livez and /readyz need no key', async () => {
  const { ask } = createAsked();
  for (const path of ['/livez', '/readyz']) {
    const { status, body, headers } = await ask(`GET ${path}`, { key: '' });
    expect([status, body]).toMatchObject([200, { status: 'ok' }]);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('content-type')).toMatch(/^application\/json/);
  }
});

const health = { store: 'cluster', masters: 3, answering: 2, replicas: 0, wanted: 1 } as const;

test('health: /readyz shows the servers of the store, and a warning', async () => {
  const memory = { store: 'memory', masters: 1, answering: 1, replicas: 0, wanted: 0 };
  expect((await createAsked().ask('GET /readyz')).body).toEqual({ status: 'ok', ...memory });
  const check = async () => ({ ...health, warning: 'fix it' });
  const { ask } = createAsked({ store: { ...createMemoryStore(), check } });
  expect((await ask('GET /readyz')).body).toEqual({ status: 'ok', ...health, warning: 'fix it' });
});

test('health: /readyz shows the servers of the store in its 503, too', async () => {
  const error = new Unacknowledged('0 of 1 replicas acknowledged in time');
  error.health = health;
  const { ask } = createAsked({ store: brokenStore(error) });
  const { status, body } = await ask('GET /readyz');
  expect(status).toBe(503);
  expect(body).toMatchObject({ code: 'unavailable', detail: error.message, ...health });
});

// audit.test.ts has all endpoints.
test('API: while the store fails, /livez gets 200, and /readyz 503 with the reason only in the log', async () => {
  const { log, withoutAudit } = keptLog();
  const { ask } = createAsked({ store: brokenStore(), log });
  expect((await ask('GET /livez')).status).toBe(200);
  const { status, headers, text } = await ask('GET /readyz');
  expect([status, headers.get('retry-after')]).toEqual([503, '5']);
  expect(text).not.toContain('closed');
  expect(withoutAudit()).toMatchObject([{ level: 50, reason: 'Connection is closed.' }]);
});

test('API: a revocation of many that fails in the middle says how many were revoked', async () => {
  const { log, parsed } = keptLog();
  const error = new StoreUnavailable('it is down', { revoked: 3000 });
  const { ask } = createAsked({ store: brokenStore(error), log });
  const { status, body } = await ask('DELETE /tokens?subject=a');
  expect([status, body.detail]).toEqual([503, expect.stringContaining('3000 tokens are revoked')]);
  expect(parsed().at(-1)).toMatchObject({ action: 'request.failed', count: 3000 });
});

test('API: a malformed token or token ID is answered without asking the store', async () => {
  const { ask } = createAsked({ store: brokenStore() });
  const form = { token: 'another shape' };
  expect((await ask('GET /tokens/x')).status).toBe(404);
  expect((await ask('DELETE /tokens/x')).status).toBe(404);
  expect((await ask('POST /introspect', { form })).body).toEqual({ active: false });
  expect((await ask('POST /revoke', { form })).status).toBe(200);
});

test('API: an unexpected error gets 500 without details', async () => {
  const { log, withoutAudit } = keptLog();
  const { ask } = createAsked({ store: brokenStore(new TypeError('secret internals')), log });
  const { status, headers, body } = await ask('POST /tokens', { json: { path: '/download/a' } });
  expect([status, headers.get('cache-control')]).toEqual([500, 'no-store']);
  const problem = { title: 'Internal Server Error', status: 500, code: 'internal_error' };
  expect(body).toEqual({ type: 'about:blank', ...problem });
  expect(withoutAudit()).toMatchObject([{ level: 50, err: { message: 'secret internals' } }]);
});
