import { request } from 'node:http';
import { expect, onTestFinished, test } from 'vitest';
import { apiListener, createPostern, KEY, listening } from '../support/postern.ts';
import { createAsked, keptLog } from './ask-api.ts';

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
  const isOAuth = /introspect|revoke/.test(line);
  const type = isOAuth ? 'application/json' : 'application/problem+json';
  expect(headers.get('content-type')).toBe(type);
});

test.each([
  ['GET /', undefined],
  ['GET /nothing', undefined],
  ['POST /token', 'The endpoint is /tokens.'],
  ['POST /tokens/', 'The endpoint is /tokens.'],
  ['GET /auth-request', 'This is the API, not the gate.'],
  ['GET /x-accel', 'This is the API, not the gate.'],
])('API: %s gets 404', async (line, detail) => {
  const { ask } = createAsked();
  const { status, headers, body } = await ask(line);
  expect([status, body.code, body.detail]).toEqual([404, 'not_found', detail]);
  expect(headers.get('cache-control')).toBe('no-store');
});

test.each([
  ['no credential', undefined, false],
  ['another key', 'Bearer another-key-of-this-length', true],
  ['a part of the key', `Bearer ${KEY.slice(0, -1)}`, true],
  ['the key and more', `Bearer ${KEY} x`, false],
  ['another scheme', `Digest ${btoa(`test:${KEY}`)}`, false],
  ['the key without a scheme', KEY, false],
  ['an empty key', 'Bearer ', false],
])('API: %s gets 401 on every endpoint', async (_, authorization, isKey) => {
  const { ask } = createAsked();
  for (const line of [
    ...['POST /tokens', 'GET /tokens/x', 'POST /introspect', 'POST /revoke', 'GET /x'],
  ]) {
    const reply = await ask(line, { key: '', headers: authorization ? { authorization } : {} });
    expect(reply).toMatchObject({ status: 401, body: { code: 'invalid_client', status: 401 } });
    expect(reply.body.detail).toContain(isKey ? 'No client has this API key' : 'Send an API key');
    const challenge = `Bearer realm="postern-api"${isKey ? ', error="invalid_token"' : ''}`;
    expect(reply.headers.get('www-authenticate')).toBe(challenge);
    expect(reply.headers.get('cache-control')).toBe('no-store');
  }
});

test('API: a key in the path or in the query is not accepted', async () => {
  const { ask } = createAsked();
  expect((await ask(`GET /tokens/x?access_token=${KEY}`, { key: '' })).status).toBe(401);
});

test.each(['/auth-request', '/x-accel'])(
  'the API answers %s with 404 without a key, and logs once what is wrong',
  async (path) => {
    const { log, parsed } = keptLog();
    const { ask } = createAsked({ log });
    for (let i = 0; i < 3; i += 1) {
      const found = { status: 404, body: { code: 'not_found' } };
      expect(await ask(`GET ${path}`, { key: '' })).toMatchObject(found);
    }
    const msg = expect.stringContaining('POSTERN_LISTEN');
    expect(parsed()).toEqual([expect.objectContaining({ level: 40, path, msg })]);
  },
);

const MEGABYTE = 1024 * 1024;

/** Posts this number of bytes of JSON over HTTP, with or without Content-Length. */
async function post(bytes: number, withLength: boolean) {
  const { log, withoutAudit } = keptLog();
  const { api } = createPostern({ log });
  const { port, stop } = await listening(apiListener(api));
  onTestFinished(stop);
  const json = '[{"path":"/download/a"}]';
  const body = json + ' '.repeat(bytes - json.length);
  const reply = await new Promise<{ status: number; cache: unknown; text: string }>(
    (resolve, reject) => {
      const headers = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' };
      const asked = request(
        { port, path: '/tokens/batch', method: 'POST', headers },
        (response) => {
          let text = '';
          response.setEncoding('utf8').on('data', (chunk: string) => {
            text += chunk;
          });
          response.on('end', () => {
            const { statusCode: status = 0, headers: said } = response;
            resolve({ status, cache: said['cache-control'], text });
          });
        },
      );
      asked.on('error', reject);
      if (withLength) asked.setHeader('content-length', bytes);
      else asked.setHeader('transfer-encoding', 'chunked');
      asked.end(body);
    },
  );
  return { ...reply, lines: withoutAudit() };
}

test.each([
  ['with its length', true],
  ['in chunks', false],
])(
  'API: a request body of one megabyte %s is accepted, and one more byte is not',
  async (_, withLength) => {
    expect(await post(MEGABYTE, withLength)).toMatchObject({ status: 201, cache: 'no-store' });
    const { status, cache, text, lines } = await post(MEGABYTE + 1, withLength);
    expect([status, cache]).toEqual([413, 'no-store']);
    expect(JSON.parse(text)).toMatchObject({ status: 413, code: 'content_too_large' });
    expect(lines).toEqual([]);
  },
);
