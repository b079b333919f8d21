import { expect, test } from 'vitest';
import { KEY } from '../support/postern.ts';
import { createAsked } from './ask-api.ts';

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
  expect(headers.get('content-type')).toBe('application/problem+json');
});

test.each(['GET /', 'GET /nothing', 'POST /tokens/', 'GET /auth-request', 'GET /x-accel'])(
  'API: %s gets 404',
  async (line) => {
    const { ask } = createAsked();
    const { status, headers, body } = await ask(line);
    expect([status, body.code]).toEqual([404, 'not_found']);
    expect(headers.get('cache-control')).toBe('no-store');
  },
);

test.each([
  ['no credential', undefined],
  ['another key', 'Bearer another-key-of-this-length'],
  ['a part of the key', `Bearer ${KEY.slice(0, -1)}`],
  ['the key and more', `Bearer ${KEY} x`],
  ['another scheme', `Basic ${btoa(`test:${KEY}`)}`],
  ['the key without a scheme', KEY],
  ['an empty key', 'Bearer '],
])('API: %s gets 401 on every endpoint', async (_, authorization) => {
  const { ask } = createAsked();
  for (const line of [
    'POST /tokens',
    'GET /tokens/x',
    'POST /introspect',
    'POST /revoke',
    'GET /x',
  ]) {
    const reply = await ask(line, { key: '', headers: authorization ? { authorization } : {} });
    expect(reply).toMatchObject({ status: 401, body: { code: 'invalid_client', status: 401 } });
    expect(reply.headers.get('www-authenticate')).toBe('Bearer realm="postern-api"');
    expect(reply.headers.get('cache-control')).toBe('no-store');
  }
});

test('API: a key in the path or in the query is not accepted', async () => {
  const { ask } = createAsked();
  expect((await ask(`GET /tokens/x?access_token=${KEY}`, { key: '' })).status).toBe(401);
});
