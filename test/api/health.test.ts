import { expect, test } from 'vitest';
import { createMemoryStore } from '../../service/store/memory.ts';
import { Unconfirmed } from '../../service/token/store.ts';
import { brokenStore, createAsked, keptLog } from './ask-api.ts';

test('/livez and /readyz need no key', async () => {
  const { ask } = createAsked();
  for (const path of ['/livez', '/readyz']) {
    const { status, body, headers } = await ask(`GET ${path}`, { key: '' });
    expect([status, body]).toMatchObject([200, { status: 'ok' }]);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('content-type')).toMatch(/^application\/json/);
  }
});

const health = { store: 'cluster', masters: 3, answering: 2, replicas: 0, wanted: 1 } as const;

test('/readyz shows the servers of the store, and a warning', async () => {
  const memory = { store: 'memory', masters: 1, answering: 1, replicas: 0, wanted: 0 };
  expect((await createAsked().ask('GET /readyz')).body).toEqual({ status: 'ok', ...memory });
  const check = async () => ({ ...health, warning: 'fix it' });
  const { ask } = createAsked({ store: { ...createMemoryStore(), check } });
  expect((await ask('GET /readyz')).body).toEqual({ status: 'ok', ...health, warning: 'fix it' });
});

test('/readyz shows the servers of the store in its 503, too', async () => {
  const error = new Unconfirmed('0 of 1 replicas confirmed in time');
  error.health = health;
  const { ask } = createAsked({ store: brokenStore(error) });
  const { status, body } = await ask('GET /readyz');
  expect(status).toBe(503);
  expect(body).toMatchObject({ code: 'unavailable', detail: error.message, ...health });
});

test('API: a change that replicas did not confirm gets 503 with the advice to repeat it', async () => {
  const { log, parsed } = keptLog();
  const store = brokenStore(new Unconfirmed('0 of 1 replicas confirmed in time'));
  const { ask } = createAsked({ store, log });
  const form = { token: `ps_${'a'.repeat(32)}` };
  for (const { status, body } of [
    await ask(`DELETE /tokens/${'a'.repeat(22)}`),
    await ask('DELETE /tokens?subject=a'),
    await ask('POST /revoke', { form }),
  ]) {
    expect(status).toBe(503);
    const detail = 'Applied, not yet confirmed: repeat the request.';
    expect(body).toMatchObject({ code: 'unavailable', detail });
    expect(body).not.toHaveProperty('masters');
  }
  expect(parsed()[0]).toMatchObject({ level: 50, reason: '0 of 1 replicas confirmed in time' });
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
  // The last two are those of OAuth.
  const types = replies.map((_, i) => `application/${i < 6 ? 'problem+' : ''}json`);
  expect(replies.map(({ headers }) => headers.get('content-type'))).toEqual(types);
  for (const { status, headers, body } of replies) {
    expect(status).toBe(503);
    expect(headers.get('retry-after')).toBe('5');
    expect(headers.get('cache-control')).toBe('no-store');
    expect(body).toMatchObject({
      code: 'unavailable',
      detail: 'Postern gets no response from the token store.',
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
