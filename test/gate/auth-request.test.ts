import { expect, test } from 'vitest';
import { newToken, tokenId } from '../../service/token/token.ts';
import { brokenStore } from '../api/broken-store.ts';
import { issueToken, mount } from '../support/postern.ts';
import { startGate } from './ask-gate.ts';

test('auth_request: an allowed request gets 204 with the target', async () => {
  const { api, authRequest } = await startGate();
  const { url, id } = await issueToken(api, { path: '/download/a.pdf' });
  const { status, headers, body } = await authRequest(url);
  expect(status).toBe(204);
  expect(body).toBe('');
  expect(headers).toEqual({
    'cache-control': 'no-store',
    'x-accel-expires': '0',
    'postern-target': '/protected/a.pdf',
    'postern-token-id': id,
    date: expect.anything(),
    connection: 'keep-alive',
    'keep-alive': expect.anything(),
  });
});

test('auth_request: the target is sent as raw UTF-8', async () => {
  const { api, authRequest } = await startGate();
  const name = 'Q3 résumé 100%? #1 "x" \u{1f600}.pdf';
  const { url } = await issueToken(api, { path: `/download/${name}` });
  const { headers } = await authRequest(url);
  expect(Buffer.from(String(headers['postern-target']), 'latin1').toString()).toBe(
    `/protected/${name}`,
  );
});

test('auth_request: the response has every field of the grant', async () => {
  const { api, authRequest } = await startGate({
    mounts: [mount('/download/', '/protected/', { passArguments: ['start'] })],
    decisionTtl: 2,
  });
  const { url } = await issueToken(api, {
    path: '/download/a.mp4',
    subject: ' Zoë 100% ',
    limit_rate: 250_000,
    filename: 'b.mp4',
  });
  const { headers } = await authRequest(`${url}&start=1.5`);
  expect(headers).toMatchObject({
    'x-accel-expires': '2',
    'postern-args': 'start=1.5',
    'postern-subject': '%20Zo%C3%AB 100%25%20',
    'postern-limit-rate': '250000',
    'postern-disposition': 'attachment; filename="b.mp4"',
  });
  const { headers: once } = await authRequest(`${url}&start=1.5&other=x`);
  expect(once).toMatchObject({ 'x-accel-expires': '0', 'postern-args': 'start=1.5' });
});

const bearer = 'Bearer realm="postern"';

test.each([
  ['missing_token', 401, bearer],
  ['invalid_token', 401, `${bearer}, error="invalid_token"`],
  ['insufficient_scope', 403, undefined],
  ['prefetch', 403, undefined],
  ['invalid_request', 403, undefined],
] as const)('%s is a %i without a body', async (code, status, challenge) => {
  const { api, authRequest } = await startGate({ decisionTtl: 2 });
  const { url, id } = await issueToken(api, { path: '/download/a' });
  const unknown = newToken();
  const reply = await {
    missing_token: () => authRequest('/download/a'),
    invalid_token: () => authRequest(`/download/a?token=${unknown}`),
    insufficient_scope: () => authRequest(url.replace('/a?', '/b?')),
    prefetch: () => authRequest(url, { 'Service-Worker': 'script' }),
    invalid_request: () => authRequest('/download/../a'),
  }[code]();
  expect(reply.status).toBe(status);
  expect(reply.body).toBe('');
  expect(reply.headers).toMatchObject({
    'cache-control': 'no-store',
    'x-accel-expires': '0',
    'postern-reason': code,
    'content-length': '0',
  });
  expect(reply.headers['www-authenticate']).toBe(challenge);
  expect(reply.headers['postern-target']).toBeUndefined();
  const named = { invalid_token: tokenId(unknown), insufficient_scope: id, prefetch: id };
  expect(reply.headers['postern-token-id']).toBe(named[code as keyof typeof named]);
});

test('auth_request: a store error gets 503', async () => {
  for (const store of [brokenStore(), brokenStore(new TypeError('a mistake'))]) {
    const { authRequest } = await startGate({ store });
    const { status, headers, body } = await authRequest(`/download/a?token=${newToken()}`);
    expect([status, headers['postern-reason'], body]).toEqual([503, 'unavailable', '']);
    expect(headers['x-accel-expires']).toBe('0');
  }
});
