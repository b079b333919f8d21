import { expect, test } from 'vitest';
import { newToken } from '../../service/token/token.ts';
import { brokenStore } from '../api/broken-store.ts';
import { issueToken, mount } from '../support/postern.ts';
import { startGate } from './ask-gate.ts';

test('X-Accel: an allowed request gets an internal redirect without a body', async () => {
  const { api, xAccel } = await startGate({ decisionTtl: 2 });
  const { url, id } = await issueToken(api, {
    path: '/download/Q3 résumé?#%.pdf',
    subject: 'user%42',
    limit_rate: 1000,
    disposition: 'inline',
  });
  const { status, headers, body } = await xAccel(url);
  expect([status, body]).toEqual([200, '']);
  expect(headers).toEqual({
    'cache-control': 'private, no-store',
    'x-accel-expires': '0',
    'x-accel-redirect': '/protected/Q3%20r%C3%A9sum%C3%A9%3F%23%25.pdf',
    'x-accel-limit-rate': '1000',
    'content-length': '0',
    'postern-disposition': 'inline',
    'postern-token-id': id,
    'postern-subject': 'user%2542',
    date: expect.anything(),
    connection: 'keep-alive',
    'keep-alive': expect.anything(),
  });
});

test('X-Accel: passed arguments are the query of the redirect', async () => {
  const { api, xAccel } = await startGate({
    mounts: [mount('/download/', '/protected/', { passArguments: ['start'] })],
  });
  const { url } = await issueToken(api, { path: '/download/a?.mp4' });
  const { headers } = await xAccel(`${url}&start=1%0d%0aX:y`);
  expect(headers['x-accel-redirect']).toBe('/protected/a%3F.mp4?start=1%0D%0AX%3Ay');
});

const bearer = 'Bearer realm="postern"';

test.each([
  ['missing_token', 401, bearer],
  ['invalid_token', 401, `${bearer}, error="invalid_token"`],
  ['insufficient_scope', 403, undefined],
  ['prefetch', 403, undefined],
  ['invalid_request', 400, undefined],
] as const)('X-Accel: %s is a %i without a body', async (code, status, challenge) => {
  const { api, xAccel } = await startGate();
  const { url } = await issueToken(api, { path: '/download/a' });
  const reply = await {
    missing_token: () => xAccel('/download/a'),
    invalid_token: () => xAccel(`/download/a?token=${newToken()}`),
    insufficient_scope: () => xAccel(url.replace('/a?', '/b?')),
    prefetch: () => xAccel(url, { 'Service-Worker': 'script' }),
    invalid_request: () => xAccel('/download/../a'),
  }[code]();
  expect(reply.status).toBe(status);
  expect(reply.headers).toMatchObject({
    'cache-control': 'no-store',
    'x-accel-expires': '0',
    'postern-reason': code,
    'content-length': '0',
  });
  expect(reply.headers['www-authenticate']).toBe(challenge);
  expect(reply.headers['x-accel-redirect']).toBeUndefined();
  expect(reply.body).toBe('');
});

test('X-Accel: a store error gets 503 and no details', async () => {
  const { xAccel } = await startGate({ store: brokenStore() });
  const { status, headers, body } = await xAccel(`/download/a?token=${newToken()}`);
  expect([status, headers['postern-reason'], body]).toEqual([503, 'unavailable', '']);
});
