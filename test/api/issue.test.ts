import { expect, test } from 'vitest';
import { createMemoryStore } from '../../service/store/memory.ts';
import { createAsked, keptLog } from '../support/ask-api.ts';
import { linesOf } from '../support/fixtures.ts';
import { apiKey, KEY } from '../support/postern.ts';

test('issue: one request returns one token', async () => {
  const { ask } = createAsked();
  const path = '/download/reports/Q3 résumé.pdf';
  const { status, headers, body } = await ask('POST /tokens', { json: { path } });
  expect(status).toBe(201);
  expect(headers.get('cache-control')).toBe('no-store');
  expect(headers.get('content-type')).toBe('application/json');
  expect(body).toEqual({
    access_token: expect.stringMatching(/^ps_[\w-]{32}$/),
    token_type: 'Bearer',
    expires_in: 120,
    id: expect.stringMatching(/^[\w-]{22}$/),
    url: `/download/reports/Q3%20r%C3%A9sum%C3%A9.pdf?token=${body.access_token}`,
  });
  const location = headers.get('location');
  expect(location).toBe(`/tokens/${body.id}`);
  expect((await ask(`GET ${location}`)).body).toMatchObject({ id: body.id, path });
});

test('issue: URLs start with the public URL, and with cookie there is one whose relative links use the cookie', async () => {
  const { ask } = createAsked({ publicUrl: 'https://files.example' });
  const json = { prefix: '/download/Q3 é/', cookie: true };
  const { body } = await ask('POST /tokens', { json });
  const token = body.access_token;
  expect(body).toMatchObject({
    url: `https://files.example/download/~${token}/Q3%20%C3%A9/`,
    cookie_url: `https://files.example/download/Q3%20%C3%A9/?token=${token}`,
  });
  const { body: without } = await ask('POST /tokens', { json: { ...json, cookie: false } });
  expect(without).not.toHaveProperty('cookie_url');
  const { body: file } = await ask('POST /tokens', { json: { path: '/download/a' } });
  expect(file.url).toBe(`https://files.example/download/a?token=${file.access_token}`);
});

test('issue: a path that looks URL-encoded is issued, with a warning', async () => {
  const { ask } = createAsked();
  const found = { '/download/a%20b': '%20', '/download/a%C3%A9': '%C3', '/download/a?b=c': '?' };
  const json = Object.keys(found).map((path) => ({ path }));
  const { status, body } = await ask('POST /tokens/batch', { json });
  const warnings = Object.values(found).map((part) => {
    return { warning: `Paths are not URL-encoded: this token is for a name that contains ${part}` };
  });
  expect([status, body]).toMatchObject([201, warnings]);
  const one = await ask('POST /tokens', { json: { prefix: '/download/a%2fb/' } });
  expect(one.body).toMatchObject({ warning: expect.stringMatching(/ %2f$/) });
  for (const path of ['/download/100 %', '/download/50%-off', '/download/a b']) {
    expect((await ask('POST /tokens', { json: { path } })).body).not.toHaveProperty('warning');
  }
});

test('issue: every field accepts its maximum length', async () => {
  const { ask } = createAsked();
  const json = {
    path: `/download/${'é'.repeat(1019)}`,
    site: 's'.repeat(253),
    subject: 'é'.repeat(256),
    filename: 'é'.repeat(255),
    expires_in: 3600,
    limit_rate: 1_000_000_000_000,
  };
  expect((await ask('POST /tokens', { json })).status).toBe(201);
  for (const [field, value] of Object.entries(json)) {
    const longer = typeof value === 'number' ? value + 1 : `${value}e`;
    expect(await ask('POST /tokens', { json: { ...json, [field]: longer } })).toMatchObject({
      status: 400,
      body: { errors: [{ pointer: `#/${field}` }] },
    });
  }
});

/** An API whose store must not be asked, and which must log nothing but the refusal. */
function createRefusing() {
  const store = createMemoryStore();
  let issued = 0;
  const counting: typeof store = {
    ...store,
    issue: (grants) => {
      issued += grants.length;
      return store.issue(grants);
    },
  };
  const paths = [{ prefix: '/download/' }];
  const { log, withoutAudit } = keptLog('trace');
  const asked = createAsked({ store: counting, log, apiKeys: [apiKey(KEY, { paths })] });
  return { ...asked, spent: () => [issued, withoutAudit()] };
}

const JSON_BODY = { 'content-type': 'application/json' };
const hostile = linesOf('hostile-bodies.txt').map((line) => {
  const space = line.indexOf(' ');
  return [line.slice(space + 1), line.slice(0, space)] as const;
});

test.each(hostile)('issue: %s is rejected at %s', async (body, pointers) => {
  const { ask, spent } = createRefusing();
  const endpoint = body.startsWith('[') ? '/tokens/batch' : '/tokens';
  const reply = await ask(`POST ${endpoint}`, { body, headers: JSON_BODY });
  expect(reply).toMatchObject({ status: 400, body: { code: 'invalid_request', status: 400 } });
  expect(reply.headers.get('content-type')).toBe('application/problem+json');
  expect(reply.headers.get('cache-control')).toBe('no-store');
  const named = reply.body.errors?.map(({ pointer }: { pointer: string }) => pointer);
  expect(named ?? ['-']).toEqual(pointers.split(','));
  expect(reply.text).not.toContain(KEY);
  expect(spent()).toEqual([0, []]);
});

test.each([
  ['nothing', ''],
  ['blanks', ' \n'],
  ['Latin-1', Buffer.from('{"path":"/download/caf\xe9"}', 'latin1')],
  ['overlong UTF-8', Buffer.from('{"path":"/download/\xc0\xae"}', 'latin1')],
  ['UTF-16', Buffer.from('{"path":"/download/a"}', 'utf16le')],
])('issue: %s is rejected as invalid JSON', async (_, body) => {
  const { ask, spent } = createRefusing();
  expect(await ask('POST /tokens', { body, headers: JSON_BODY })).toMatchObject({
    status: 400,
    body: { code: 'invalid_request' },
  });
  expect(spent()).toEqual([0, []]);
});

test.each(['text/plain', 'application/x-www-form-urlencoded', 'application/jsonx', ''])(
  'issue: a body of type %j is rejected',
  async (type) => {
    const { ask, spent } = createRefusing();
    const body = Buffer.from('{"path":"/download/a"}');
    const reply = await ask('POST /tokens', { body, headers: { 'content-type': type } });
    expect(reply).toMatchObject({ status: 415, body: { code: 'unsupported_media_type' } });
    expect(reply.headers.get('cache-control')).toBe('no-store');
    expect(spent()).toEqual([0, []]);
  },
);

test('issue: the content type may have parameters and any case', async () => {
  const { ask } = createRefusing();
  const headers = { 'content-type': 'Application/JSON; charset=utf-8' };
  const body = '{"path":"/download/a"}';
  expect((await ask('POST /tokens', { body, headers })).status).toBe(201);
});

test('batch: one invalid request rejects all, and at most 20 errors are listed', async () => {
  const { ask, spent } = createRefusing();
  const many = Array.from({ length: 100 }, (_, i) => ({ path: `/download/${i}` }));
  const post = async (json: object[]) => (await ask('POST /tokens/batch', { json })).body.errors;
  const error = { pointer: '#/99/path', detail: 'must not have a dot segment' };
  expect(await post([...many.slice(1), { path: '/download/..' }])).toEqual([error]);
  expect(await post(many.map(() => ({ path: '', pin: '4711' })))).toHaveLength(20);
  expect(spent()).toEqual([0, []]);
});

test('issue: the error for a folder in path names prefix', async () => {
  const { ask } = createAsked();
  const reply = await ask('POST /tokens', { json: { path: '/download/a/' } });
  expect(reply.body.errors).toEqual([
    { pointer: '#/path', detail: 'must not end with a slash: use prefix for a folder' },
  ]);
});

test('issue: a token has at most 64 addresses', async () => {
  const { ask } = createAsked();
  const ip = Array.from({ length: 65 }, (_, i) => `192.0.2.${i}`);
  const [most, more] = [ip.slice(1), ip].map((list) => ({ path: '/download/a', ip: list }));
  expect((await ask('POST /tokens', { json: most })).status).toBe(201);
  expect(await ask('POST /tokens/batch', { json: [most, more] })).toMatchObject({
    status: 400,
    body: { errors: [{ pointer: '#/1/ip' }] },
  });
});
