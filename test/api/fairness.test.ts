import { expect, test } from 'vitest';
import { nextTurn } from '../../service/token/queue.ts';
import type { Store } from '../../service/token/store.ts';
import { KEY, type PosternOptions } from '../support/postern.ts';
import { type Asking, createAsked, OTHER_KEY } from './ask-api.ts';

const MEGABYTE = 1024 * 1024;
const BATCH = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' };
const FORM = { 'content-type': 'application/x-www-form-urlencoded' };

/** The API, which also accepts bodies that do not end, and notes who got a response in which order. */
function createClients(options: PosternOptions = {}) {
  const asked = createAsked(options);
  const order: string[] = [];
  const ask = async (who: string, line: string, asking: Asking) => {
    const reply = await asked.ask(line, {
      key: who.startsWith('other') ? OTHER_KEY : KEY,
      ...asking,
    });
    order.push(`${who} ${reply.status}`);
    return reply;
  };
  return {
    order,
    ask,
    /** Sends the first bytes of a batch or a form, and never the rest. */
    begin(bytes: number, path = '/tokens/batch', headers: Record<string, string> = BATCH) {
      const start = (controller: ReadableStreamDefaultController) =>
        controller.enqueue(new Uint8Array(bytes).fill(0x20));
      const sent = { method: 'POST', headers, body: new ReadableStream({ start }), duplex: 'half' };
      return Promise.resolve(asked.api.request(path, sent as RequestInit));
    },
  };
}

const batch = (count: number, more: object = {}) =>
  Array.from({ length: count }, (_, i) => ({ path: `/download/${i}`, ...more }));

test('batches that have not arrived hold no place', async () => {
  const { ask, begin } = createClients();
  const begun = Array.from({ length: 600 }, () => begin(1));
  for (const who of ['same', 'other']) {
    const { status } = await ask(who, 'POST /tokens/batch', { json: batch(3) });
    expect(status).toBe(201);
  }
  expect(await Promise.race([...begun, 'none'])).toBe('none');
});

test('forms that come without a key in the header, and do not end, hold no place', async () => {
  const { ask, begin } = createClients();
  // More than all places have together.
  const begun = Array.from({ length: 1200 }, (_, i) =>
    begin(32_000, i % 2 ? '/introspect' : '/revoke', FORM),
  );
  const asks = { key: '', form: { token: 'x', client_id: 'other', client_secret: OTHER_KEY } };
  expect((await ask('other', 'POST /introspect', asks)).status).toBe(200);
  expect((await ask('other', 'POST /tokens/batch', { json: batch(3) })).status).toBe(201);
  expect(await Promise.race([...begun, 'none'])).toBe('none');
});

test('a client whose unfinished batches hold all memory loses the newest one to another client', async () => {
  const { ask, begin } = createClients();
  const refused: number[] = [];
  const begun = Array.from({ length: 33 }, async (_, i) => {
    const { status, headers } = await begin(MEGABYTE);
    refused.push(i);
    return { status, wait: headers.get('retry-after') };
  });
  await expect.poll(() => refused).toEqual([32]);
  expect((await ask('other', 'POST /tokens/batch', { json: batch(3) })).status).toBe(201);
  expect(refused).toEqual([32, 31]);
  for (const i of refused) expect(await begun[i]).toEqual({ status: 503, wait: '5' });
});

test('a client with one batch does not wait for the many batches of another one', async () => {
  const { ask, order } = createClients();
  const many = Array.from({ length: 12 }, () =>
    ask('many', 'POST /tokens/batch', { json: batch(1000) }),
  );
  const one = ask('other', 'POST /tokens/batch', { json: batch(1000) });
  const invalid = ask('other invalid', 'POST /tokens/batch', { json: batch(1000, { path: 1 }) });
  await Promise.all([one, invalid]);
  expect(order.filter((reply) => reply.startsWith('many')).length).toBeLessThanOrEqual(2);
  await Promise.all(many);
  // Nobody has to send a batch again.
  expect(order.filter((reply) => reply.endsWith('503'))).toEqual([]);
});

test('a token with a PIN waits for few PINs of other requests, of another client or of the same', async () => {
  const { ask, order } = createClients();
  const pin = { confirm: true, pin: '4711' };
  const single = (who: string) =>
    ask(who, 'POST /tokens', { json: { path: '/download/a', ...pin } });
  const large = ask('batch', 'POST /tokens/batch', { json: batch(16, pin) });
  const many = Array.from({ length: 6 }, () => single('many'));
  await expect.poll(() => order).toHaveLength(1);
  await single('other');
  expect(order.filter((reply) => reply.startsWith('many')).length).toBeLessThanOrEqual(3);
  await Promise.all(many);
  // The PINs of the batch alternate with the others, so that it is not the first to end.
  expect(order).not.toContain('batch 201');
  expect((await ask('other', 'POST /tokens/batch', { json: batch(3) })).status).toBe(201);
  expect(order).not.toContain('batch 201');
  expect((await large).status).toBe(201);
});

/** A thousand tokens of the first client. */
async function createTokens(more: object = {}, options: PosternOptions = {}) {
  const clients = createClients(options);
  const { status } = await clients.ask('web', 'POST /tokens/batch', { json: batch(1000, more) });
  expect(status).toBe(201);
  return clients;
}

test('a client that lists few tokens does not wait for the long lists of another one', async () => {
  const { store } = createAsked();
  let [now, most] = [0, 0];
  const slow: Store = {
    ...store,
    async list(...args) {
      now += 1;
      most = Math.max(most, now);
      await nextTurn();
      now -= 1;
      return store.list(...args);
    },
  };
  const { ask, order } = await createTokens({}, { store: slow });
  const many = Array.from({ length: 20 }, () => ask('many', 'GET /tokens?limit=1000', {}));
  await ask('other', 'GET /tokens?limit=1000', {});
  expect(order.filter((reply) => reply.startsWith('many')).length).toBeLessThanOrEqual(1);
  // Otherwise the replies of the store for many lists would arrive together, and block the event loop.
  expect(most).toBe(1);
  for (const { status, body } of await Promise.all(many)) {
    expect([status, body.tokens.length, body.next_cursor]).toEqual([200, 1000, undefined]);
  }
});

test('a client whose many changes wait for a slow store does not keep out another one', async () => {
  const { store } = createAsked();
  let release = () => {};
  const released = new Promise<void>((resolve) => (release = resolve));
  const slow: Store = {
    ...store,
    async revokeSubject(...args) {
      await released;
      return store.revokeSubject(...args);
    },
  };
  const { ask, order } = createClients({ store: slow });
  const many = Array.from({ length: 512 }, () => ask('many', 'DELETE /tokens?subject=u', {}));
  for (let i = 0; i < 2000; i += 1) await nextTurn();
  expect((await ask('other', 'POST /tokens/batch', { json: batch(3) })).status).toBe(201);
  release();
  await Promise.all(many);
  // The body, and the rest of what a batch holds.
  expect(order.filter((reply) => reply === 'many 503')).toHaveLength(2);
});

test.each([
  ['lists a thousand tokens', 'GET /tokens?limit=1000', 19],
  ['revokes a thousand tokens', 'DELETE /tokens?subject=u', 19],
  ['issues a thousand tokens', 'POST /tokens/batch', 190],
])('the event loop has turns while the API %s', async (_, line, least) => {
  const { ask } = await createTokens({ subject: 'u' });
  let turns = 0;
  let isDone = false;
  const others = () => {
    turns += 1;
    if (!isDone) setImmediate(others);
  };
  setImmediate(others);
  const json = line.startsWith('POST') && { json: batch(1000) };
  await ask('web', line, { ...json });
  isDone = true;
  expect(turns).toBeGreaterThanOrEqual(least);
});

test('tokens without requesters are shown together, those with requesters one at a time', async () => {
  const { store } = createAsked();
  let [now, most] = [0, 0];
  const counting: Store = {
    ...store,
    async delivered(id) {
      now += 1;
      most = Math.max(most, now);
      for (let i = 0; i < 10; i += 1) await nextTurn();
      now -= 1;
      return store.delivered(id);
    },
  };
  const { ask } = createClients({ store: counting });
  for (const [more, expected] of [
    [{}, 20],
    [{ max_uses: 2 }, 1],
  ] as const) {
    const { body } = await ask('web', 'POST /tokens', { json: { path: '/download/a', ...more } });
    const form = { token: body.access_token };
    most = 0;
    await Promise.all(Array.from({ length: 20 }, () => ask('web', 'POST /introspect', { form })));
    expect(most).toBe(expected);
  }
});

test('a page of tokens with long texts ends after a megabyte, and the next one goes on', async () => {
  const network = '2001:db8:1234:5678:9abc:def0';
  const ip = Array.from({ length: 64 }, (_, i) => `${network}:${i.toString(16)}::/112`);
  const { ask } = createClients();
  for (let i = 0; i < 2; i += 1) {
    const json = batch(200, { ip, target: `/protected/${'t'.repeat(1900)}` });
    expect((await ask('web', 'POST /tokens/batch', { json })).status).toBe(201);
  }
  const ids = new Set<string>();
  const lengths: number[] = [];
  for (let cursor: string | undefined = ''; cursor !== undefined; ) {
    const more = cursor === '' ? '' : `&cursor=${cursor}`;
    const { body, text } = await ask('web', `GET /tokens?limit=1000${more}`, {});
    for (const { id } of body.tokens) ids.add(id);
    lengths.push(text.length);
    cursor = body.next_cursor;
  }
  expect(ids.size).toBe(400);
  expect(lengths.length).toBeGreaterThan(1);
  expect(Math.max(...lengths)).toBeLessThan(1.5 * MEGABYTE);
});
