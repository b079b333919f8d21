import { expect, test, vi } from 'vitest';
import { newToken } from '../../service/token/token.ts';
import { type Asking, brokenStore, createAsked, keptLog, OTHER_KEY } from '../support/ask-api.ts';
import { apiKey, KEY } from '../support/postern.ts';

// Client authentication of OAuth (RFC 6749, section 2.3.1) at /introspect and /revoke. The client of KEY is `test`.

const basic = (credentials: string) => ({
  authorization: `Basic ${Buffer.from(credentials).toString('base64')}`,
});

const BASIC = { headers: basic(`test:${KEY}`) };

/** Authenticates in the form. */
const inForm = (client_id: string, client_secret: string) => ({ client_id, client_secret });

const IN_FORM = Object.entries(inForm('test', KEY));

const FORM_TYPE = { 'content-type': 'application/x-www-form-urlencoded' };

/** A secret with characters that a form encodes, and how each client library may write it. */
const HARD = 'a+b%with:all&of=them~!*';

const INVALID = Buffer.from('token=\xff', 'latin1');

const BASIC_CHALLENGE = 'Basic realm="postern-api"';
const BEARER_CHALLENGE = 'Bearer realm="postern-api"';

async function withToken(options: Parameters<typeof createAsked>[0] = {}) {
  const hard = apiKey(HARD, { id: 'a.hard_one-' });
  const apiKeys = [apiKey(KEY), apiKey(OTHER_KEY, { id: 'other' }), hard];
  const asked = createAsked({ apiKeys, ...options });
  const { body } = await asked.ask('POST /tokens', { json: { path: '/download/a' } });
  return { ...asked, id: body.id as string, token: body.access_token as string };
}

test.each<[string, Asking]>([
  ['a bearer key', { key: KEY }],
  ['HTTP Basic', BASIC],
  ['HTTP Basic, form-encoded', { headers: basic(`%74est:${KEY.replaceAll('-', '%2D')}`) }],
  ['HTTP Basic in lower case', { headers: { authorization: `basic ${btoa(`test:${KEY}`)}` } }],
  ['HTTP Basic, and the same ID in the form', { ...BASIC, form: { client_id: 'test' } }],
  ['the form', { form: inForm('test', KEY) }],
])('OAuth: %s authenticates a client', async (_, { form, ...asking }) => {
  const { ask, token, id } = await withToken();
  const sent = { key: '', ...asking, form: { ...form, token } };
  expect(await ask('POST /introspect', sent)).toMatchObject({
    status: 200,
    body: { active: true },
  });
  expect((await ask('POST /revoke', sent)).status).toBe(200);
  expect((await ask(`GET /tokens/${id}`)).status).toBe(404);
});

test('OAuth: both halves of HTTP Basic are decoded as in a form', async () => {
  const { ask } = await withToken();
  const encoded = (text: string) => new URLSearchParams({ text }).toString().slice('text='.length);
  for (const [credentials, status] of [
    [`${encoded('a.hard_one-')}:${encoded(HARD)}`, 200],
    [`${encodeURIComponent('a.hard_one-')}:${encodeURIComponent(HARD)}`, 200],
    ['%61%2Ehard%5Fone%2D:a%2Bb%25with%3Aall%26of%3Dthem%7E%21%2A', 200],
    // As it is, the plus is a space.
    [`a.hard_one-:${HARD}`, 401],
  ] as const) {
    const asking = { key: '', headers: basic(credentials), form: { token: 'x' } };
    expect((await ask('POST /introspect', asking)).status, credentials).toBe(status);
  }
  const asking = { key: '', form: { ...inForm('a.hard_one-', HARD), token: 'x' } };
  expect((await ask('POST /introspect', asking)).status).toBe(200);
});

/** A wrong key or ID, no ID or key, a colon or another character in the ID, and a wrong encoding. */
const WRONG = [
  ...[`test:${OTHER_KEY}`, `other:${KEY}`, `TEST:${KEY}`, `none:${KEY}`, `:${KEY}`, 'test:'],
  ...[`test${KEY}`, `test:other:${KEY}`, `test%3A:${KEY}`, `test%00:${KEY}`, `test:${KEY}%zz`],
  ...[`test:${KEY}%ff`, `test&value=test:${KEY}`, `test:${KEY}\n`],
];

test.each<[string, Asking, challenge?: string]>([
  ...WRONG.map((one): [string, Asking] => [JSON.stringify(one), { headers: basic(one) }]),
  ['no base64', { headers: { authorization: `Basic test:${KEY}` } }],
  ['nothing', { headers: { authorization: 'Basic' } }],
  ['another ID in the form', { ...BASIC, form: { client_id: 'other' } }],
  ['two IDs in the form', { ...BASIC, body: 'client_id=test&client_id=other' }],
  ['in the form, the key of another client', { form: inForm('test', OTHER_KEY) }, BEARER_CHALLENGE],
  ['in the form, another ID', { form: inForm('other', KEY) }, BEARER_CHALLENGE],
  ['in the form, the ID only', { form: { client_id: 'test' } }, BEARER_CHALLENGE],
  ['in the form, a NUL after the key', { form: inForm('test', `${KEY}\0`) }, BEARER_CHALLENGE],
  ['another scheme', { headers: { authorization: `Basics ${KEY}` } }, BEARER_CHALLENGE],
])('OAuth: %s gets 401', async (_, asking, challenge = BASIC_CHALLENGE) => {
  const { log, lines, withoutAudit } = keptLog();
  const { ask, token, id } = await withToken({ log });
  for (const line of ['POST /introspect', 'POST /revoke']) {
    const { form, headers, body } = asking;
    const sent = body ? { body: `${body}&token=${token}` } : { form: { ...form, token } };
    const reply = await ask(line, { key: '', headers: { ...FORM_TYPE, ...headers }, ...sent });
    expect(reply).toMatchObject({ status: 401, body: { error: 'invalid_client' } });
    expect(reply.headers.get('www-authenticate')).toBe(challenge);
    expect(reply.headers.get('content-type')).toBe('application/json');
    expect(`${reply.text} ${lines}`).not.toContain(KEY);
    expect(`${reply.text} ${lines}`).not.toContain(token);
  }
  expect((await ask(`GET /tokens/${id}`)).status).toBe(200);
  expect(withoutAudit()).toEqual([]);
});

test.each<[string, Asking]>([
  ['Bearer and the form', { key: KEY, form: inForm('test', KEY) }],
  ['HTTP Basic and the form', { ...BASIC, form: inForm('test', KEY) }],
  ['a wrong key and the form', { key: 'wrong', form: inForm('test', KEY) }],
  ['an empty key in the form and HTTP Basic', { ...BASIC, form: inForm('test', '') }],
  ['an empty key in the form', { form: inForm('test', '') }],
  ['a key without an ID in the form', { form: { client_secret: KEY } }],
  ['two keys in the form', { form: [...IN_FORM, ['client_secret', KEY]] }],
  ['two IDs with a key in the form', { form: [['client_id', 'test'], ...IN_FORM] }],
  ['two tokens', { ...BASIC, form: [['token', 'x']] }],
])('OAuth: %s gets 400', async (_, { form = [], ...asking }) => {
  const { log, lines } = keptLog();
  const { ask, token, id } = await withToken({ log });
  const fields = Array.isArray(form) ? form : Object.entries(form);
  for (const line of ['POST /introspect', 'POST /revoke']) {
    const reply = await ask(line, { key: '', ...asking, form: [...fields, ['token', token]] });
    expect(reply).toMatchObject({ status: 400, body: { error: 'invalid_request' } });
    expect(reply.headers.get('www-authenticate')).toBeNull();
    expect(`${reply.text} ${lines}`).not.toContain(KEY);
  }
  expect((await ask(`GET /tokens/${id}`)).status).toBe(200);
});

// Decoding 6 KB takes longer than the rest of the request.
test.each<[string, Asking, number]>([
  ['nothing', {}, 401],
  ['a wrong key', { key: 'wrong' }, 401],
  ['a wrong key in HTTP Basic', { headers: basic(`test:${OTHER_KEY}`) }, 401],
  ['a wrong key in the form', { form: inForm('test', OTHER_KEY) }, 401],
  ['a long key in the form', { form: inForm('test', '+'.repeat(5000)) }, 401],
  ['a wrong key and the form', { key: 'wrong', form: inForm('test', KEY) }, 400],
  ['the key', { key: KEY }, 200],
])('OAuth: with %s, the form is decoded only for a known client', async (_, asking, status) => {
  const { ask } = await withToken();
  const token = 'token='.padEnd(1500, '%41');
  const body = `${new URLSearchParams(asking.form as Record<string, string>)}&${token}`;
  const decoded: number[] = [];
  const { URLSearchParams: Original } = globalThis;
  vi.stubGlobal(
    'URLSearchParams',
    class extends Original {
      constructor(text: string) {
        super(text);
        decoded.push(text.length);
      }
    },
  );
  const sent = { key: '', ...asking, body, headers: { ...FORM_TYPE, ...asking.headers } };
  const reply = await ask('POST /introspect', sent).finally(() => vi.unstubAllGlobals());
  expect(reply.status).toBe(status);
  expect(decoded.some((length) => length > 1200)).toBe(status === 200);
});

test('OAuth: neither two Authorization headers nor a key in the query authenticate a client', async () => {
  const { log, lines } = keptLog();
  const { api, ask, token } = await withToken({ log });
  const headers = new Headers(FORM_TYPE);
  headers.append('authorization', `Bearer ${KEY}`);
  headers.append('authorization', BASIC.headers.authorization);
  const query = new URLSearchParams(inForm('test', KEY));
  for (const path of ['/introspect', '/revoke']) {
    const twice = await api.request(path, { method: 'POST', headers, body: `token=${token}` });
    const reply = await ask(`POST ${path}?${query}`, { key: '', form: { token } });
    expect([twice.status, reply.status]).toEqual([401, 401]);
    expect(`${reply.text} ${lines}`).not.toContain(KEY);
  }
});

test.each(['POST /tokens', 'GET /tokens', 'DELETE /tokens?subject=a', 'GET /tokens/x', 'GET /x'])(
  'OAuth: at other endpoints, such as %s, only a bearer key is accepted',
  async (line) => {
    const { ask } = await withToken();
    const form = line.startsWith('POST') && { form: inForm('test', KEY) };
    for (const headers of [basic(`test:${KEY}`), {}]) {
      const reply = await ask(line, { key: '', headers, ...form });
      expect(reply).toMatchObject({ status: 401, body: { code: 'invalid_client' } });
      expect(reply.body.error).toBeUndefined();
      expect(reply.headers.get('www-authenticate')).toBe(BEARER_CHALLENGE);
      expect(reply.headers.get('content-type')).toBe('application/problem+json');
    }
  },
);

test.each<[line: string, status: number, error: string, Asking]>([
  ['POST /introspect', 400, 'invalid_request', { form: {} }],
  ['POST /introspect', 400, 'invalid_request', { form: { token: '' } }],
  ['POST /revoke', 400, 'invalid_request', { form: {} }],
  ['POST /introspect', 400, 'invalid_request', { body: INVALID, headers: FORM_TYPE }],
  ['POST /introspect', 415, 'unsupported_media_type', { json: { token: 'x' } }],
  ['POST /revoke', 415, 'unsupported_media_type', { json: { token: 'x' } }],
  ['POST /revoke', 413, 'content_too_large', { body: `token=${'a'.repeat(32 * 1024)}` }],
  ['GET /introspect', 405, 'method_not_allowed', {}],
  ['POST /revoke', 403, 'insufficient_scope', { form: { iss: 'https://a.example', jti: '1' } }],
  ['POST /introspect', 503, 'unavailable', { form: { token: newToken() } }],
  ['POST /revoke', 503, 'unavailable', { form: { token: newToken() } }],
])('OAuth: %s has errors as in RFC 6749: %i', async (line, status, error, asking) => {
  const { ask } = createAsked(status === 503 ? { store: brokenStore() } : {});
  const length = { 'content-length': String(asking.body?.length ?? 0) };
  const headers = { ...asking.headers, ...(status === 413 && { ...FORM_TYPE, ...length }) };
  const reply = await ask(line, { ...asking, headers });
  expect(reply).toMatchObject({ status, body: { error, code: error } });
  expect(reply.headers.get('content-type')).toBe('application/json');
  expect(reply.headers.get('cache-control')).toBe('no-store');
  // The characters that RFC 6749 allows.
  expect(reply.body.error_description).toMatch(/^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/);
  expect(reply.headers.get('retry-after')).toBe(status === 503 ? '5' : null);
  const errors = [{ pointer: '#/token' }];
  if (asking.form && status === 400) expect(reply.body).toMatchObject({ errors });
});

test('OAuth: the metadata names the endpoints (RFC 8414), and is there only if the URL of the API is set', async () => {
  const path = '/.well-known/oauth-authorization-server';
  const { ask } = createAsked({ apiUrl: 'https://postern.example' });
  const { status, body, headers } = await ask(`GET ${path}`, { key: '' });
  expect([status, headers.get('content-type')]).toEqual([200, 'application/json']);
  const methods = ['client_secret_basic', 'client_secret_post'];
  expect(body).toEqual({
    issuer: 'https://postern.example',
    response_types_supported: [],
    introspection_endpoint: 'https://postern.example/introspect',
    introspection_endpoint_auth_methods_supported: methods,
    revocation_endpoint: 'https://postern.example/revoke',
    revocation_endpoint_auth_methods_supported: methods,
  });
  expect((await createAsked().ask(`GET ${path}`)).status).toBe(404);
});
