import { pino } from 'pino';
import { expect, test } from 'vitest';
import { createMemoryStore } from '../../service/store/memory.ts';
import { StoreUnavailable, Unacknowledged } from '../../service/token/store.ts';
import { newToken, tokenId } from '../../service/token/token.ts';
import { type Asking, brokenStore, createAsked, keptLog, OTHER_KEY } from '../support/ask-api.ts';
import { createSigned } from '../support/jwt/signed.ts';
import { apiListener, KEY, listening } from '../support/postern.ts';

const level = { info: 30, error: 50 };

function audited(options: Parameters<typeof createAsked>[0] = {}) {
  const { log, lines, parsed, withoutAudit: unaudited } = keptLog();
  const asked = createAsked({ log, ...options });
  const audit = () => parsed().filter(({ msg }) => msg === 'audit');

  /** The lines of one request. */
  async function linesOf(line: string, asking?: Asking) {
    const before = audit().length;
    const reply = await asked.ask(line, asking);
    return { ...reply, lines: audit().slice(before) };
  }

  return { ...asked, lines, linesOf, unaudited };
}

async function issued(asked: ReturnType<typeof audited>, json: object = { path: '/download/a' }) {
  const { body } = await asked.ask('POST /tokens', { json });
  return body as { id: string; access_token: string };
}

test('audit: each action is one line, with client, token ID, subject, path and request ID', async () => {
  const asked = audited();
  const { linesOf } = asked;
  const json = { path: '/download/é', subject: 'user-42', site: 'a.example', expires_in: 60 };
  const { lines, body } = await linesOf('POST /tokens', { json });
  const { id, access_token: token } = body;
  const seen = { subject: 'user-42', path: '/download/é', site: 'a.example' };
  const about = {
    ...{ level: level.info, time: expect.any(Number), msg: 'audit' },
    ...{ client: 'test', request_id: expect.any(String) },
  };
  expect(lines).toEqual([
    { ...about, action: 'token.issued', token_id: id, expires_in: 60, ...seen },
  ]);

  const form = { token };
  const query = 'path=/download/%C3%A9&client=test';
  const prolong = { json: { expires_in: 90 } };
  const each: Array<[string, Asking, action: string, object]> = [
    [`GET /tokens/${id}`, {}, 'shown', { token_id: id, ...seen }],
    ['GET /tokens?subject=user-42', {}, 'listed', { subject: 'user-42', count: 1 }],
    ['GET /tokens', {}, 'listed', { count: 1 }],
    [`GET /tokens?${query}`, {}, 'listed', { path: seen.path, owner: 'test', count: 1 }],
    [`PATCH /tokens/${id}`, prolong, 'prolonged', { token_id: id, expires_in: 90, ...seen }],
    ['POST /introspect', { form }, 'introspected', { token_id: id, active: true, ...seen }],
    [
      'POST /introspect',
      { form, key: OTHER_KEY },
      'introspected',
      { token_id: id, active: false, client: 'other' },
    ],
    [`DELETE /tokens/${id}`, {}, 'revoked', { by: 'id', token_id: id }],
    ['POST /revoke', { form }, 'revoked', { by: 'token', token_id: id, count: 0 }],
    ['DELETE /tokens?subject=a', {}, 'revoked', { by: 'subject', subject: 'a', count: 0 }],
    ['DELETE /tokens?client=test', {}, 'revoked', { by: 'client', owner: 'test', count: 0 }],
  ];
  for (const [line, asking, action, fields] of each) {
    const expected = { ...about, action: `token.${action}`, ...fields };
    expect((await linesOf(line, asking)).lines, line).toEqual([expected]);
  }

  const folder = await issued(asked, { prefix: '/download/b/', subject: 'ada' });
  const revoked = async (token: string) =>
    (await linesOf('POST /revoke', { form: { token } })).lines;
  const ended = { by: 'token', token_id: folder.id, count: 1 };
  expect(await revoked(folder.access_token)).toMatchObject([ended]);
  expect(await revoked('x')).toMatchObject([{ by: 'token', count: 0 }]);
});

test('audit: several issued tokens are one line, with their count and IDs', async () => {
  const { linesOf } = audited();
  const json = [{ path: '/download/a' }, { prefix: '/download/b/' }];
  const { lines, body } = await linesOf('POST /tokens/batch', { json });
  expect(lines).toMatchObject([
    { action: 'token.issued', count: 2, token_ids: body.map(({ id }: { id: string }) => id) },
  ]);
  expect(Object.keys(lines[0])).not.toContain('path');
});

test('audit: JWTs have the ID of the token', async () => {
  const { log, parsed } = keptLog();
  const { ask, issue } = await createSigned({ log });
  const { access_token: token, id } = await issue({ path: '/download/a' });
  await ask('POST /introspect', { form: { token } });
  await ask('POST /revoke', { form: { token } });
  await ask('POST /revoke', { form: { token: `${token.slice(0, -8)}AAAAAAAA` } });
  const seen = parsed().map(({ action, token_id, count }) => [action, token_id, count]);
  expect(seen).toEqual([
    ['token.issued', id, undefined],
    ['token.introspected', id, undefined],
    ['token.revoked', id, 1],
    ['token.revoked', undefined, 0],
  ]);
});

const NOPE = { path: '/nope/a', subject: 'ada' };

const JTI = { iss: 'https://app.example', jti: '1' };
const ID = 'a'.repeat(22);

test.each<[string, Asking, endpoint: string, code: string, more?: object]>([
  ['POST /tokens', { json: NOPE }, '/tokens', 'invalid_request', { client: 'test', ...NOPE }],
  ['POST /tokens/batch', { json: [] }, '/tokens/batch', 'invalid_request'],
  ['POST /tokens', { form: {} }, '/tokens', 'unsupported_media_type'],
  ['POST /revoke', { form: JTI }, '/revoke', 'insufficient_scope', { by: 'jti' }],
  ['DELETE /tokens?client=other', {}, '/tokens', 'insufficient_scope', { owner: 'other' }],
  [`DELETE /tokens/${ID}`, {}, '/tokens/:id', 'not_found', { by: 'id', token_id: ID }],
  ['PUT /tokens/x', {}, '/tokens/:id', 'method_not_allowed'],
  ['GET /x', {}, '/*', 'not_found'],
  ['GET /tokens/x', { key: 'wrong' }, '/tokens/:id', 'invalid_client'],
])('audit: a refused request has its code: %s %j', async (line, asking, endpoint, code, more) => {
  const { lines } = await audited().linesOf(line, asking);
  const [method] = line.split(' ');
  const about = { level: level.info, action: 'request.refused', method, endpoint, code };
  expect(lines).toEqual([expect.objectContaining({ ...about, ...more })]);
  expect('client' in lines[0]).toBe(asking.key === undefined);
});

test('audit: a request that fails gets 503, and one line with its code, the reason and the token', async () => {
  const { linesOf, unaudited } = audited({ store: brokenStore(new StoreUnavailable('READONLY')) });
  const token = newToken();
  const id = tokenId(token);
  const detail = 'Postern gets no response from the token store.';
  const all: ReadonlyArray<[string, Asking, object]> = [
    ['POST /tokens', { json: { path: '/download/a' } }, { path: '/download/a' }],
    ['POST /tokens/batch', { json: [{ path: '/download/a' }] }, { count: 1 }],
    [`GET /tokens/${id}`, {}, { token_id: id }],
    [`PATCH /tokens/${id}`, { json: { expires_in: 1 } }, { token_id: id }],
    [`DELETE /tokens/${id}`, {}, { by: 'id', token_id: id }],
    ['POST /revoke', { form: { token } }, { by: 'token', token_id: id }],
    ['POST /introspect', { form: { token } }, { token_id: id }],
    ['DELETE /tokens?subject=a', {}, { by: 'subject', subject: 'a' }],
    ['DELETE /tokens?client=test', {}, { by: 'client', owner: 'test' }],
    ['GET /tokens?subject=a', {}, { subject: 'a' }],
  ];
  for (const [line, asking, fields] of all) {
    const { status, headers, body, lines } = await linesOf(line, asking);
    const sent = ['retry-after', 'cache-control'].map((name) => headers.get(name));
    expect([status, ...sent]).toEqual([503, '5', 'no-store']);
    expect(body).toMatchObject({ code: 'unavailable', detail });
    expect(lines, line).toEqual([
      expect.objectContaining({
        ...{ level: level.error, action: 'request.failed', code: 'unavailable' },
        ...{ reason: 'READONLY', client: 'test', ...fields },
      }),
    ]);
    for (const field of ['active', 'applied']) expect(lines[0]).not.toHaveProperty(field);
  }
  expect(unaudited()).toHaveLength(all.length);
});

test('audit: a change that replicas did not acknowledge gets 503 with advice, and its line says applied', async () => {
  const error = new Unacknowledged('0 of 1 replicas acknowledged in time');
  const { linesOf } = audited({ store: brokenStore(error) });
  const failed = { action: 'request.failed', code: 'unavailable', reason: error.message };
  const detail = 'Applied, but replicas have not acknowledged it: repeat the request.';
  const form = { token: newToken() };
  for (const [line, asking] of [
    [`DELETE /tokens/${ID}`, {}],
    ['DELETE /tokens?subject=a', {}],
    ['POST /revoke', { form }],
  ] as const) {
    const { status, body, lines } = await linesOf(line, asking);
    expect([status, body]).toMatchObject([503, { code: 'unavailable', detail }]);
    expect(body).not.toHaveProperty('masters');
    expect(lines).toMatchObject([{ ...failed, applied: true }]);
  }
});

test('audit: a log that fails does not fail the request', async () => {
  const write = () => {
    throw new Error('disk full');
  };
  const { ask } = createAsked({ log: pino({}, { write }) });
  const { status, body } = await ask('POST /tokens', { json: { path: '/download/a' } });
  expect(status).toBe(201);
  expect((await ask(`DELETE /tokens/${body.id}`)).status).toBe(204);
  expect((await ask('GET /tokens/x')).status).toBe(404);
});

test('audit: no line has a token or an API key', async () => {
  const asked = audited();
  const { linesOf, lines } = asked;
  const own = await issued(asked);
  const secret = newToken();
  const jwt = `eyJ${'a'.repeat(30)}.eyJ${'b'.repeat(30)}.${'c'.repeat(43)}`;
  for (const text of [own.access_token, secret, jwt]) {
    const seen = [
      await linesOf(`GET /tokens/${text}`),
      await linesOf(`GET /${text}`),
      await linesOf(`GET /tokens/x?token=${text}`, { headers: { 'X-Request-ID': text } }),
      await linesOf(`GET /tokens?subject=${text}`),
      await linesOf(`GET /tokens?path=/download/${text}&client=${text}`),
      await linesOf(`DELETE /tokens?client=${text}`),
      await linesOf('POST /tokens', { json: { path: '/download/a', subject: text } }),
      await linesOf('POST /tokens', { json: { path: `/nope/${text}`, subject: `a ${text}` } }),
      await linesOf('POST /introspect', { form: { token: text } }),
      await linesOf('POST /revoke', { form: { token: text } }),
      await linesOf('POST /revoke', { form: { iss: text, jti: text } }),
    ];
    for (const one of seen) expect(one.lines).toHaveLength(1);
    expect(lines.join('')).not.toContain(text);
  }
  expect(lines.join('')).not.toContain(KEY);
});

test.each([
  ['a UUID', '0b9e6f6e-3b0a-4e0e-9d53-4f5d8d8f7f11', true],
  ["nginx's $request_id", '3f1b0a6c9d8e7f60123456789abcdef0', true],
  ['255 characters', 'x'.repeat(255), true],
  ['256 characters', 'x'.repeat(256), false],
  ['a separate line', 'a"}\t{"msg":"audit"', false],
  ['other characters', 'é', false],
  ['none', undefined, false],
])('audit, X-Request-ID: the response and the log have the same: %s', async (_, sent, isKept) => {
  const { linesOf } = audited();
  const headers = sent === undefined ? {} : { 'X-Request-ID': sent };
  for (const key of [KEY, 'wrong']) {
    const reply = await linesOf('GET /tokens?subject=a', { headers, key });
    const id = reply.headers.get('x-request-id');
    if (isKept) expect(id).toBe(sent);
    else expect(id).toMatch(/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/);
    expect(reply.lines).toMatchObject([{ request_id: id }]);
  }
});

test('audit: a line has the address of the caller, and endpoints without a key have no line', async () => {
  const { log, parsed } = keptLog();
  const { api } = createAsked({ log, store: createMemoryStore() });
  const { port, stop } = await listening(apiListener(api));
  for (const path of ['livez', 'readyz', 'metrics', 'openapi.json', 'tokens?subject=a']) {
    const headers = { Authorization: `Bearer ${KEY}` };
    await (await fetch(`http://127.0.0.1:${port}/${path}`, { headers })).text();
  }
  await stop();
  expect(parsed()).toMatchObject([{ action: 'token.listed', address: '127.0.0.1' }]);
});

test('audit: a long text is cut off after 1,024 characters, before it is searched for tokens', async () => {
  const { linesOf } = audited();
  const longest = 'é'.repeat(1024);
  for (const [text, shown] of [
    [longest, longest],
    [`${longest}a`, `${longest}…`],
    ['%2541'.repeat(3000), '***…'],
  ] as const) {
    const query = new URLSearchParams({ path: text, subject: text, client: text });
    const about = { path: shown, subject: shown, owner: shown };
    expect((await linesOf(`GET /tokens?${query}`)).lines).toMatchObject([about]);
    const { lines } = await linesOf('POST /tokens', { json: { path: text, site: 'a.example' } });
    expect(lines).toMatchObject([{ path: shown }]);
  }
});
