import { expect, test } from 'vitest';
import { createMemoryStore } from '../../service/store/memory.ts';
import { createAsked, OTHER_KEY } from '../support/ask-api.ts';
import { apiKey, KEY } from '../support/postern.ts';

const BATCH = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' };
const json = [{ path: '/download/a' }];

/** The API, with a store whose revocations of a subject wait until `release`. */
function createSlow() {
  let release = () => {};
  const released = new Promise<void>((resolve) => (release = resolve));
  const store = createMemoryStore();
  const revokeAll: typeof store.revokeAll = async (...args) => {
    await released;
    return store.revokeAll(...args);
  };
  return { ...createAsked({ store: { ...store, revokeAll } }), release };
}

test('limits: a client has eight heavy requests in progress, and another client is not affected', async () => {
  const { ask, release } = createSlow();
  const begun = Array.from({ length: 8 }, () => ask('DELETE /tokens?subject=u', {}));
  const refused = { status: 429, body: { code: 'too_many_requests' } };
  for (const line of ['DELETE /tokens?subject=u', 'GET /tokens', 'POST /tokens/batch']) {
    const reply = await ask(line, line.startsWith('POST') ? { json } : {});
    expect(reply).toMatchObject(refused);
    expect(reply.headers.get('retry-after')).toBe('1');
  }
  // These are never heavy.
  const { status, body } = await ask('POST /tokens', { json: json[0] });
  expect(status).toBe(201);
  expect((await ask(`GET /tokens/${body.id}`, {})).status).toBe(200);
  expect((await ask(`DELETE /tokens/${body.id}`, {})).status).toBe(204);
  expect((await ask('POST /tokens/batch', { key: OTHER_KEY, json })).status).toBe(201);
  release();
  for (const { status } of await Promise.all(begun)) expect(status).toBe(200);
  // A request that failed has left its place, too.
  for (let i = 0; i < 10; i += 1) {
    expect((await ask('POST /tokens/batch', { body: '{', headers: BATCH })).status).toBe(400);
  }
  expect((await ask('POST /tokens/batch', { json })).status).toBe(201);
});

test('limits: the ninth batch of a client is rejected before its body arrives', async () => {
  const { api, ask } = createSlow();
  const begin = () => {
    const start = (controller: ReadableStreamDefaultController) =>
      controller.enqueue(new Uint8Array(10).fill(0x20));
    const headers = { ...BATCH, 'transfer-encoding': 'chunked' };
    const sent = { method: 'POST', headers, body: new ReadableStream({ start }), duplex: 'half' };
    return Promise.resolve(api.request('/tokens/batch', sent as RequestInit));
  };
  const begun = Array.from({ length: 8 }, begin);
  expect((await begin()).status).toBe(429);
  expect((await ask('POST /tokens/batch', { key: OTHER_KEY, json })).status).toBe(201);
  expect(await Promise.race([...begun, 'none'])).toBe('none');
});

test('limits: the bodies of all clients have at most 32 MiB', async () => {
  const keys = Array.from({ length: 33 }, (_, i) => `key-of-client-${i}`.padEnd(32, '.'));
  const apiKeys = keys.map((key, i) => apiKey(key, { id: `client-${i}` }));
  const { api } = createAsked({ apiKeys });
  const begin = (key: string) => {
    const headers = { ...BATCH, authorization: `Bearer ${key}`, 'content-length': '131072' };
    const sent = { method: 'POST', headers, body: new ReadableStream(), duplex: 'half' };
    return Promise.resolve(api.request('/tokens/batch', sent as RequestInit));
  };
  const begun = keys.slice(1).flatMap((key) => Array.from({ length: 8 }, () => begin(key)));
  const { status, headers } = await begin(keys[0] ?? '');
  expect([status, headers.get('retry-after')]).toEqual([429, '1']);
  expect(await Promise.race([...begun, 'none'])).toBe('none');
});

test.each([
  ['lists a hundred tokens', 'GET /tokens', 16],
  ['revokes a hundred tokens', 'DELETE /tokens?subject=u', 4],
  ['issues a hundred tokens', 'POST /tokens/batch', 16],
])('limits: other requests have turns while the API %s', async (_, line, least) => {
  const { ask } = createAsked();
  const batch = Array.from({ length: 100 }, (_, i) => ({ path: `/download/${i}`, subject: 'u' }));
  expect((await ask('POST /tokens/batch', { json: batch })).status).toBe(201);
  let turns = 0;
  let isDone = false;
  const others = () => {
    turns += 1;
    if (!isDone) setImmediate(others);
  };
  setImmediate(others);
  await ask(line, line.startsWith('POST') ? { json: batch } : {});
  isDone = true;
  expect(turns).toBeGreaterThanOrEqual(least);
});

test('limits: states with requesters are read one in each turn', async () => {
  const store = createMemoryStore();
  let now = 0;
  let most = 0;
  const requesters: typeof store.requesters = async (id) => {
    now += 1;
    most = Math.max(most, now);
    setImmediate(() => (now = 0));
    return store.requesters(id);
  };
  const { ask } = createAsked({ store: { ...store, requesters } });
  const { body } = await ask('POST /tokens', { json: { path: '/download/a', max_uses: 2 } });
  const form = { token: body.access_token };
  const asked = Array.from({ length: 20 }, () => ask('POST /introspect', { form }));
  for (const { status } of await Promise.all(asked)) expect(status).toBe(200);
  expect(most).toBe(1);
});
