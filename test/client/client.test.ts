import { Hono } from 'hono';
import { expect, expectTypeOf, test } from 'vitest';
import { createClient, PosternError } from '../../client/client.ts';
import { redirectToFile } from '../../client/hono.ts';
import { KEY } from '../support/postern.ts';
import { createClients, createFaked, problem } from '../support/posterns.ts';

const SUBJECT = 'Jörg & Söhne/#1?';

test('issue, issueMany: return the tokens in the order of the requests', async () => {
  const { postern } = createClients();
  const issued = await postern.issue({ path: '/download/a b.pdf', subject: undefined });
  expect(issued).toMatchObject({ token_type: 'Bearer', expires_in: 120 });
  expect(issued.url).toBe(`/download/a%20b.pdf?token=${issued.access_token}`);
  const paths = ['/download/a', '/download/b', '/download/c'];
  const many = await postern.issueMany(paths.map((path) => ({ path })));
  expect(many.map(({ url }) => url.replace(/\?.*/, ''))).toEqual(paths);
});

test('issueMany: sends batches of at most 100 requests and 128 KiB, and names a field in all requests', async () => {
  const { postern } = createClients();
  const requests = Array.from({ length: 250 }, (_, i) => ({ path: `/download/${i}` }));
  const issued = await postern.issueMany(requests);
  expect(issued.map(({ url }) => url.replace(/\?.*/, ''))).toEqual(
    requests.map(({ path }) => path),
  );
  const long = requests.slice(0, 90).map(({ path }) => ({ path: path + 'é'.repeat(1000) }));
  expect(await postern.issueMany(long)).toHaveLength(90);
  const wrong = requests.map((one, i) => (i === 120 ? { path: '/download/..' } : one));
  await expect(postern.issueMany(wrong)).rejects.toMatchObject({
    ...{ code: 'invalid_request', errors: [{ pointer: '/120/path' }] },
  });
  await expect(postern.issueMany([])).rejects.toMatchObject({ code: 'invalid_request' });
});

test('issue: with batch, the calls in one turn are one request, and each has its own token or error', async () => {
  const { postern, sent } = createClients({}, KEY, { batch: true });
  const paths = Array.from({ length: 150 }, (_, i) => `/download/${i}`);
  const own = new AbortController();
  const issued = await Promise.all([
    ...paths.map(async (path) => postern.issue({ path })),
    postern.issue({ path: '/download/own' }, { signal: own.signal }),
  ]);
  expect(issued.map(({ url }) => url.replace(/\?.*/, ''))).toEqual([...paths, '/download/own']);
  const urls = (from: number) => sent.slice(from).map(({ url }) => new URL(url).pathname);
  expect(urls(0)).toEqual(['/tokens', '/tokens/batch', '/tokens/batch']);
  await postern.issue({ path: '/download/a' });
  expect(urls(3)).toEqual(['/tokens']);

  const mixed = ['/download/a', '/download/..', '/elsewhere', '/download/b'];
  const settled = await Promise.allSettled(mixed.map((path) => postern.issue({ path })));
  expect(settled).toMatchObject([
    { value: { url: expect.stringMatching(/^\/download\/a\?/) } },
    { reason: { code: 'invalid_request', errors: [{ pointer: '/path' }] } },
    { reason: { code: 'invalid_request', errors: [{ pointer: '/path' }] } },
    { value: { url: expect.stringMatching(/^\/download\/b\?/) } },
  ]);
  expect(urls(4)).toEqual(['/tokens/batch', '/tokens/batch', '/tokens', '/tokens']);
  expect((await postern.list({ path: '/download/a' })).tokens).toHaveLength(2);
});

test.each([
  ['without a response', () => Promise.reject(new TypeError('fetch failed')), 'unreachable'],
  ['without pointers', () => problem(503, 'unavailable'), 'unavailable'],
  ['of another server', () => Response.json([{}]), 'unexpected_response'],
  [
    'with a pointer to no request',
    () => problem(400, 'invalid_request', {}, ['', '#/7/path']),
    'invalid_request',
  ],
] as const)(
  'issue: an error %s is that of each call of the batch, which is not sent again',
  async (_, answer, code) => {
    const { postern, sent } = createFaked(answer, { batch: true });
    const calls = ['a', 'b', 'c'].map((name) => postern.issue({ path: `/download/${name}` }));
    const settled = await Promise.allSettled(calls);
    expect(settled.map((one) => one.status === 'rejected' && one.reason.code)).toEqual([
      code,
      code,
      code,
    ]);
    expect(sent).toHaveLength(1);
  },
);

test('show and prolong: return the state of the token', async () => {
  const { postern } = createClients();
  const { id } = await postern.issue({ path: '/download/a', max_uses: 2, subject: SUBJECT });
  const shown = await postern.show(id);
  expect(shown).toMatchObject({ id, path: '/download/a', uses_left: 2, subject: SUBJECT });
  const prolonged = await postern.prolong(id, 600);
  expect(prolonged.exp - shown.exp).toBe(480);
});

test('list: returns the tokens of a subject page by page, those of a path, and all of the client', async () => {
  const { postern, other } = createClients();
  const requests = ['a', 'b', 'c'].map((name) => ({ path: `/download/${name}`, subject: SUBJECT }));
  const issued = await postern.issueMany(requests);
  await postern.issue({ path: '/download/b' });
  await other.issue({ path: '/download/a' });
  const first = await postern.list({ subject: SUBJECT, limit: 2 });
  expect(first.tokens).toHaveLength(2);
  const second = await postern.list({ subject: SUBJECT, cursor: first.next_cursor });
  const ids = [...first.tokens, ...second.tokens].map(({ id }) => id);
  expect(ids.sort()).toEqual(issued.map(({ id }) => id).sort());
  expect(second.next_cursor).toBeUndefined();
  expect((await postern.list({ path: '/download/b', subject: undefined })).tokens).toHaveLength(2);
  expect((await postern.list({ path: '/download/b', subject: SUBJECT })).tokens).toHaveLength(1);
  expect((await postern.list()).tokens).toHaveLength(4);
});

test('revoke, revokeToken: end a token, and report or accept one that has ended', async () => {
  const { postern } = createClients();
  const { id, access_token: token } = await postern.issue({ path: '/download/a' });
  expect(await postern.introspect(token)).toMatchObject({ active: true, path: '/download/a' });
  expect(await postern.revoke(id)).toBe(true);
  expect(await postern.revoke(id)).toBe(false);
  expect(await postern.revokeToken(token)).toBeUndefined();
  const second = await postern.issue({ path: '/download/a' });
  await postern.revokeToken(second.access_token);
  expect(await postern.introspect(second.access_token)).toEqual({ active: false });
});

test('revokeToken: sends the claims of a signed token, and no others', async () => {
  const { sent, postern } = createFaked(() => new Response(null));
  const claims = { iss: 'https://shop.example', jti: '47&11', path: '/x' };
  await postern.revokeToken(claims);
  await postern.revokeToken({ ...claims, exp: 1795568972 });
  const form = 'iss=https%3A%2F%2Fshop.example&jti=47%2611';
  expect(sent.map(({ body }) => String(body))).toEqual([form, `${form}&exp=1795568972`]);
});

test('revokeSubject, revokeClient: return how many tokens of the client they ended', async () => {
  const { postern, other } = createClients();
  const request = { path: '/download/a', subject: SUBJECT };
  await postern.issueMany([request, request, { path: '/download/b', subject: 'x' }]);
  await other.issue(request);
  expect(await postern.revokeSubject(SUBJECT)).toBe(2);
  expect(await postern.revokeSubject(SUBJECT)).toBe(0);
  const refused = { code: 'insufficient_scope' };
  await expect(postern.revokeClient('other')).rejects.toMatchObject(refused);
  await expect(postern.revokeSubject('x', { client: 'other' })).rejects.toMatchObject(refused);
  await expect(postern.list({ client: 'other' })).rejects.toMatchObject(refused);
  expect(await postern.revokeClient('test')).toBe(1);
  expect((await other.list({ subject: SUBJECT })).tokens).toHaveLength(1);
});

test('revokeSubject, revokeClient: a missing value never revokes more', async () => {
  const { sent, postern } = createFaked(() => Response.json({ revoked: 0 }));
  const missing = undefined as unknown as string;
  await postern.revokeSubject(missing, { client: 'web' });
  await postern.revokeClient(missing);
  expect(sent.map(({ url }) => url)).toEqual([
    'http://a/tokens?subject=undefined&client=web',
    'http://a/tokens?client=undefined',
  ]);
});

test.each(['', '.', '..', '../tokens', 'a/b', '?subject=x', '%2e%2e'])(
  'the ID %j names no other endpoint',
  async (id) => {
    const { postern, sent } = createFaked(() => new Response(null, { status: 204 }));
    await postern.revoke(id);
    expect(sent[0]?.url).toBe('http://a/tokens/-');
    await expect(createClients().postern.show(id)).rejects.toMatchObject({ code: 'not_found' });
  },
);

test('errors of the API: code, status, detail, invalid fields and request ID', async () => {
  const { postern } = createClients();
  const request = { path: '/download/a', expires_in: 0, max_use: 1 };
  const error = await postern.issue(request).catch((error: unknown) => error);
  expect(error).toBeInstanceOf(PosternError);
  expect(error).toMatchObject({
    code: 'invalid_request',
    status: 400,
    detail: expect.stringMatching(/./),
    errors: [{ pointer: '/expires_in' }, { pointer: '/max_use' }],
    requestId: expect.stringMatching(/./),
  });
  expect(String(error)).toMatch(/invalid_request \(400\).*\n {2}\/expires_in: must be at least 1/);
});

test('errors of an unknown key: invalid_client, without the key', async () => {
  const key = 'a-key-that-nobody-has';
  const { postern } = createClients({}, key);
  const error = await postern.issue({ path: '/download/a' }).catch((error: unknown) => error);
  expect(error).toMatchObject({ code: 'invalid_client', status: 401 });
  expect(JSON.stringify(error) + String(error)).not.toContain(key);
});

test('key: a function is asked for each call', async () => {
  let key = 'unknown';
  const { postern } = createClients({}, async () => key);
  await expect(postern.issue({ path: '/download/a' })).rejects.toThrow('invalid_client');
  key = KEY;
  expect(await postern.issue({ path: '/download/a' })).toHaveProperty('url');
});

test('key: the error of a function that fails is not changed, and nothing is sent', async () => {
  const error = new Error('no access token');
  const { sent, postern } = createFaked(() => new Response(null), {
    key: () => Promise.reject(error),
  });
  await expect(postern.show('x')).rejects.toBe(error);
  expect(sent).toEqual([]);
});

test.each([undefined, '', 'two words', 'line\nbreak', 'naïve'])(
  'key: %j is rejected without being shown, and not sent if a function returns it',
  async (given) => {
    const key = given as string;
    const error = new TypeError('key: expected an API key, one line of ASCII without spaces');
    expect(() => createClient({ url: 'http://a', key })).toThrow(error);
    const { sent, postern } = createFaked(() => new Response(null), { key: () => key });
    await expect(postern.show('x')).rejects.toThrow(error);
    expect(sent).toEqual([]);
  },
);

test.each(['', '127.0.0.1:7301', 'ftp://a', 'http://u:secret@a', 'http://a?x=secret', 'http://a#'])(
  'url: %j is rejected',
  (url) => {
    const create = () => createClient({ url, key: KEY });
    if (url === 'http://a#') return expect(create).not.toThrow();
    expect(create).toThrow(/^url: expected/);
    expect(create).not.toThrow(/secret/);
  },
);

test('url: may have a path, with or without a slash at its end', async () => {
  for (const url of ['http://a/postern', 'http://a/postern/']) {
    const { sent, postern } = createFaked(() => new Response(null, { status: 204 }), { url });
    await postern.revoke('x');
    expect(sent[0]?.url).toBe('http://a/postern/tokens/x');
  }
});

type Env = { Variables: { user?: { id: string } } };

/** An application whose session is the header X-User. */
function createSite(postern: Parameters<typeof redirectToFile>[0]) {
  const app = new Hono<Env>();
  app.use(async (c, next) => {
    const id = c.req.header('x-user');
    if (id) c.set('user', { id });
    await next();
    if (c.error) c.header('X-Error', encodeURIComponent(c.error.message));
  });
  const redirect = redirectToFile<Env, '/files/:name'>(postern, (c) => {
    const user = c.get('user');
    expectTypeOf(c.req.param('name')).toBeString();
    return user && { path: `/download/${c.req.param('name')}`, subject: user.id };
  });
  app.get('/files/:name', redirect, (c) => c.text('log in', 401));
  app.onError((error, c) => c.text(error instanceof PosternError ? error.code : 'other', 500));
  return (path: string, user = 'ada') => app.request(path, { headers: { 'x-user': user } });
}

test('redirectToFile: 303 to the URL of a new token, with no-store', async () => {
  const { postern } = createClients();
  const response = await createSite(postern)('/files/a%20b.pdf');
  expect(response.status).toBe(303);
  expect(response.headers.get('location')).toMatch(/^\/download\/a%20b\.pdf\?token=ps_/);
  expect(response.headers.get('cache-control')).toBe('no-store');
  expect(response.headers.get('referrer-policy')).toBe('no-referrer');
  const { tokens } = await postern.list({ subject: 'ada' });
  expect(tokens.map(({ path }) => path)).toEqual(['/download/a b.pdf']);
});

test('redirectToFile: without a request for a token the next handler responds', async () => {
  const { sent, postern } = createFaked(() => problem(500, 'internal_error'));
  const response = await createSite(postern)('/files/a.pdf', '');
  expect([response.status, await response.text()]).toEqual([401, 'log in']);
  expect(sent).toEqual([]);
});

test('redirectToFile: 503 with Retry-After if Postern is not available', async () => {
  const full = () => problem(503, 'unavailable', { 'Retry-After': '7' });
  const lost = () => Promise.reject(new TypeError('fetch failed'));
  for (const [handler, seconds] of [
    [full, '7'],
    [lost, '5'],
  ] as const) {
    const response = await createSite(createFaked(handler).postern)('/files/a.pdf');
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, seconds]);
    expect(response.headers.get('location')).toBeNull();
    expect(response.headers.get('x-error')).toMatch(/unavailable|reach/);
  }
});

test('redirectToFile: 404 for a path that Postern rejects, and other errors reach onError', async () => {
  const { status, headers } = await createSite(createClients().postern)('/files/a%20');
  expect([status, headers.get('x-error')]).toEqual([404, expect.stringContaining('space')]);
  const refused = () => problem(403, 'insufficient_scope');
  const response = await createSite(createFaked(refused).postern)('/files/a.pdf');
  expect([response.status, await response.text()]).toEqual([500, 'insufficient_scope']);
});
