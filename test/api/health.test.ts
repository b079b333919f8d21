import { expect, test } from 'vitest';
import { createMemoryStore } from '../../service/store/memory.ts';
import { createAsked, keptLog } from './ask-api.ts';
import { brokenStore } from './broken-store.ts';

test('/livez and /readyz need no key', async () => {
  const { ask } = createAsked();
  for (const path of ['/livez', '/readyz']) {
    const { status, body, headers } = await ask(`GET ${path}`, { key: '' });
    expect([status, body]).toEqual([200, { status: 'ok' }]);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('content-type')).toMatch(/^application\/json/);
  }
});

test('/readyz shows a warning of the store', async () => {
  const check = async () => ({ warning: 'fix it' });
  const { ask } = createAsked({ store: { ...createMemoryStore(), check } });
  expect((await ask('GET /readyz')).body).toEqual({ status: 'ok', warning: 'fix it' });
});

test('API: a store that fails gets 503 except on /livez, and the reason is only logged', async () => {
  const { log, withoutAudit } = keptLog();
  const { ask } = createAsked({ store: brokenStore(), log });
  expect((await ask('GET /livez')).status).toBe(200);
  const id = 'a'.repeat(22);
  const form = { token: `ps_${'a'.repeat(32)}` };
  const replies = [
    await ask('GET /readyz'),
    await ask('POST /tokens', { json: { path: '/download/a' } }),
    await ask(`GET /tokens/${id}`),
    await ask(`PATCH /tokens/${id}`, { json: { expires_in: 1 } }),
    await ask(`DELETE /tokens/${id}`),
    await ask('DELETE /tokens?subject=a'),
    await ask('POST /introspect', { form }),
    await ask('POST /revoke', { form }),
  ];
  for (const { status, headers, body } of replies) {
    expect(status).toBe(503);
    expect(headers.get('retry-after')).toBe('5');
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('content-type')).toBe('application/problem+json');
    expect(body).toMatchObject({
      code: 'unavailable',
      detail: 'There is no answer from the token store.',
    });
  }
  expect(withoutAudit()).toHaveLength(replies.length);
  expect(withoutAudit()[0]).toMatchObject({ level: 50, reason: 'Connection is closed.' });
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
  expect(body).toEqual({
    type: 'about:blank',
    title: 'Internal Server Error',
    status: 500,
    code: 'internal_error',
  });
  expect(withoutAudit()).toMatchObject([{ level: 50, err: { message: 'secret internals' } }]);
});
