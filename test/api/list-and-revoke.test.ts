import { expect, test } from 'vitest';
import { newToken } from '../../service/token/token.ts';
import { createAsked, OTHER_KEY } from '../support/ask-api.ts';
import { apiKey, KEY } from '../support/postern.ts';

test('list: GET /tokens?subject= lists the valid tokens of a subject by their end', async () => {
  const { ask, clock } = createAsked();
  const common = { path: '/download/a', subject: 'a b' };
  const json = [30, 10, 20].map((expires_in) => ({ ...common, expires_in }));
  const [last, first, second] = (await ask('POST /tokens/batch', { json })).body;
  const { status, body, headers } = await ask('GET /tokens?subject=a%20b');
  expect([status, headers.get('cache-control')]).toEqual([200, 'no-store']);
  expect(body).toEqual({
    tokens: await Promise.all(
      [first, second, last].map(async ({ id }) => (await ask(`GET /tokens/${id}`)).body),
    ),
  });
  clock.now += 10_000;
  expect((await ask('GET /tokens?subject=a%20b')).body.tokens).toHaveLength(2);
  for (const query of ['subject=a', 'subject=c']) {
    expect((await ask(`GET /tokens?${query}`)).body).toEqual({ tokens: [] });
  }
  const others = await ask('GET /tokens?subject=a%20b', { key: OTHER_KEY });
  expect(others.body).toEqual({ tokens: [] });
});

test('list: a page has 100 tokens, or the number in limit', async () => {
  const { ask } = createAsked();
  const json = Array.from({ length: 60 }, () => ({ path: '/download/a', subject: 'u' }));
  for (let i = 0; i < 2; i += 1) await ask('POST /tokens/batch', { json });
  const usual = await ask('GET /tokens?subject=u');
  expect(usual.body.tokens).toHaveLength(100);
  const { next_cursor: cursor } = usual.body;
  expect(usual.headers.get('link')).toBe(`</tokens?subject=u&cursor=${cursor}>; rel="next"`);
  const rest = await ask(`GET /tokens?subject=u&limit=20&cursor=${cursor}`);
  expect(rest.body.tokens).toHaveLength(20);
  expect([rest.body.next_cursor, rest.headers.get('link')]).toEqual([undefined, null]);
  // Each parameter stays in the link, and only the cursor changes.
  const second = await ask(`GET /tokens?limit=20&subject=u&cursor=${cursor}&path=%2Fdownload%2Fa`);
  expect(second.headers.get('link')).toBe(null);
  const first = await ask('GET /tokens?limit=20&subject=u&path=%2Fdownload%2Fa');
  const [, link = ''] = /<(.*)>/.exec(first.headers.get('link') ?? '') ?? [];
  const next = (await ask(`GET ${link}`)).headers.get('link');
  expect(next).toContain('/tokens?limit=20&subject=u&path=%2Fdownload%2Fa&cursor=');
  expect(next).not.toContain(link);
});

test('list: a request reads no more of an index than its limit, also if its tokens have ended', async () => {
  const { store } = createAsked();
  const next = { end: 1, id: 'x'.repeat(22) };
  const reads: number[] = [];
  const list: typeof store.list = async (_, __, limit) => {
    reads.push(limit);
    if (reads.length > 10) throw new Error('it reads on');
    return { entries: [], next };
  };
  const { ask } = createAsked({ store: { ...store, list } });
  const { body } = await ask('GET /tokens?limit=60');
  expect(body).toEqual({ tokens: [], next_cursor: `1.${next.id}` });
  expect(reads).toEqual([25, 25, 10]);
});

test('list: only a client with admin lists the tokens of another client', async () => {
  const other = apiKey(OTHER_KEY, { id: 'other' });
  const { ask } = createAsked({ apiKeys: [apiKey(KEY, { id: 'ops', admin: true }), other] });
  const json = { path: '/download/a' };
  const { id } = (await ask('POST /tokens', { json, key: OTHER_KEY })).body;
  const own = (await ask('POST /tokens', { json })).body;
  const idsOf = async (query: string) =>
    (await ask(`GET /tokens${query}`)).body.tokens.map(({ id }: { id: string }) => id);
  expect(await idsOf('?client=other')).toEqual([id]);
  expect(await idsOf('?client=other&path=/download/a')).toEqual([id]);
  expect(await idsOf('')).toEqual([own.id]);
  expect(await idsOf('?client=removed')).toEqual([]);
  // The right ends there.
  expect((await ask(`GET /tokens/${id}`)).status).toBe(404);
  const refused = { status: 403, body: { code: 'insufficient_scope' } };
  expect(await ask('GET /tokens?client=ops', { key: OTHER_KEY })).toMatchObject(refused);
});

test.each([
  ...['?sub=a', '?subject=a&Path=/download/a', '?client=', '?client=test&client=test', '?path='],
  ...['?subject=', '?subject=a&subject=b', '?subject=a&limit=0', '?subject=a&limit=101'],
  ...['?subject=a&limit=-1', '?subject=a&limit=x', '?subject=a&limit=', '?subject=a&limit=1e2'],
  ...['?subject=a&limit=1.5', '?subject=a&limit=1&limit=2', '?subject=a&cursor=x'],
  ...['?subject=a&cursor=1.x', '?subject=a&cursor=', '?subject=a&cursor=-1.xxxxxxxxxxxxxxxxxxxxxx'],
  '?subject=a&cursor=1.xxxxxxxxxxxxxxxxxxxxxx&cursor=1.xxxxxxxxxxxxxxxxxxxxxx',
])('list: GET /tokens%s is rejected', async (query) => {
  const { ask } = createAsked();
  const refused = { status: 400, body: { code: 'invalid_request' } };
  expect(await ask(`GET /tokens${query}`)).toMatchObject(refused);
});

test('revoke: a token is revoked, and each other request gets 200 too, and changes nothing (RFC 7009)', async () => {
  const { ask } = createAsked();
  const json = { path: '/download/a' };
  const { access_token: token, id } = (await ask('POST /tokens', { json })).body;
  for (const other of [newToken(), 'another shape', id]) {
    expect((await ask('POST /revoke', { form: { token: other } })).status).toBe(200);
  }
  expect((await ask('POST /revoke', { form: { token }, key: OTHER_KEY })).status).toBe(200);
  expect((await ask(`GET /tokens/${id}`)).status).toBe(200);
  for (let i = 0; i < 2; i += 1) {
    const { status, text, headers } = await ask('POST /revoke', { form: { token } });
    expect([status, text, headers.get('cache-control')]).toEqual([200, '', 'no-store']);
    expect((await ask(`GET /tokens/${id}`)).status).toBe(404);
  }
});

test('revoke: DELETE /tokens?subject= revokes all tokens of the subject, and no others', async () => {
  const { ask } = createAsked();
  const json = ['a b', 'a b', 'c'].map((subject) => ({ path: '/download/a', subject }));
  const mine = (await ask('POST /tokens/batch', { json })).body;
  const theirs = (await ask('POST /tokens/batch', { json, key: OTHER_KEY })).body;

  const { status, body } = await ask('DELETE /tokens?subject=a%20b');
  expect([status, body]).toEqual([200, { revoked: 2 }]);
  const statuses = async (of: Array<{ id: string }>, key?: string) =>
    Promise.all(of.map(async ({ id }) => (await ask(`GET /tokens/${id}`, { key })).status));
  expect(await statuses(mine)).toEqual([404, 404, 200]);
  expect(await statuses(theirs, OTHER_KEY)).toEqual([200, 200, 200]);
  expect((await ask('DELETE /tokens?subject=a%20b')).body).toEqual({ revoked: 0 });
});

const ADMIN_KEY = 'the-key-of-the-administrator';

async function threeClients() {
  const apiKeys = [
    apiKey(KEY, { id: 'web' }),
    apiKey(OTHER_KEY, { id: 'other' }),
    apiKey(ADMIN_KEY, { id: 'ops', admin: true }),
  ];
  const { ask } = createAsked({ apiKeys });
  const json = [{ subject: 'a' }, {}].map((more) => ({ path: '/download/a', ...more }));
  const keys = [KEY, OTHER_KEY, ADMIN_KEY];
  await Promise.all(keys.map((key) => ask('POST /tokens/batch', { json, key })));
  /** How many tokens each of the clients has: web, other, ops. */
  const left = () =>
    Promise.all(keys.map(async (key) => (await ask('GET /tokens', { key })).body.tokens.length));
  return { ask, left };
}

test('revoke: a client with admin revokes the tokens of any client, also of a removed one', async () => {
  const { ask, left } = await threeClients();
  const revoke = async (query: string) =>
    (await ask(`DELETE /tokens?${query}`, { key: ADMIN_KEY })).body;
  expect(await revoke('client=web&subject=a')).toEqual({ revoked: 1 });
  expect(await revoke('client=web')).toEqual({ revoked: 1 });
  expect(await revoke('client=removed')).toEqual({ revoked: 0 });
  const [one] = (await ask('GET /tokens?client=other', { key: ADMIN_KEY })).body.tokens;
  expect((await ask(`DELETE /tokens/${one.id}`, { key: ADMIN_KEY })).status).toBe(404);
  expect(await left()).toEqual([0, 2, 2]);
  expect(await revoke('subject=a')).toEqual({ revoked: 1 });
  expect(await left()).toEqual([0, 2, 1]);
});

test.each([
  ...['client=other', 'client=ops', 'client=other&subject=a', 'client=WEB', 'client=web%20'].map(
    (query) => [query, KEY, 403, 'insufficient_scope'] as const,
  ),
  ...`subject= subject=a&subject=b sub=a Subject=a client= client=web&sub=a client=web&client=web
    Client=web client=web&path=/a`
    .split(/\s+/)
    .concat('')
    .map((query) => [query, ADMIN_KEY, 400, 'invalid_request'] as const),
])('revoke: DELETE /tokens?%s revokes nothing', async (query, key, status, code) => {
  const { ask, left } = await threeClients();
  expect(await ask(`DELETE /tokens?${query}`, { key })).toMatchObject({ status, body: { code } });
  expect(await left()).toEqual([2, 2, 2]);
});
