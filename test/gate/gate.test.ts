import { pino } from 'pino';
import { expect, test } from 'vitest';
import { createMemoryStore } from '../../service/store/memory.ts';
import { isToken } from '../../service/token/token.ts';
import { brokenStore } from '../api/broken-store.ts';
import { issueToken } from '../support/postern.ts';
import { startGate } from './ask-gate.ts';

test('gate: one connection serves several requests, including denials', async () => {
  const { api, authRequest, xAccel } = await startGate();
  const { url } = await issueToken(api, { path: '/download/a' });
  const replies = [
    await authRequest(url),
    await authRequest('/download/a'),
    await xAccel('/download/a'),
    await xAccel(url),
    await authRequest('/download/../a'),
  ];
  expect(replies.map(({ reused }) => reused)).toEqual([false, true, true, true, true]);
});

test('gate: HEAD gets the same response as GET', async () => {
  const { ask } = await startGate();
  const { status, headers, body } = await ask('/x-accel', {}, 'HEAD');
  expect([status, headers['postern-reason'], body]).toEqual([400, 'invalid_request', '']);
});

test.each([
  ['POST', '/auth-request', 405, 'method_not_allowed'],
  ['DELETE', '/livez', 405, 'method_not_allowed'],
  ['GET', '/', 404, 'not_found'],
  ['GET', '/auth-request/', 404, 'not_found'],
  ['GET', '/auth-request?token=x', 404, 'not_found'],
  ['GET', '/tokens', 404, 'not_found'],
  ['GET', '/readyz', 404, 'not_found'],
])('gate: %s %s gets %i', async (method, path, status, code) => {
  const { ask } = await startGate();
  const reply = await ask(path, {}, method);
  expect(reply.status).toBe(status);
  expect(reply.headers['cache-control']).toBe('no-store');
  expect(reply.headers['content-type']).toBe('application/problem+json');
  expect(reply.headers.allow).toBe(status === 405 ? 'GET, HEAD' : undefined);
  expect(JSON.parse(reply.body)).toMatchObject({ status, code });
});

test('gate: /livez gets 200 while the store fails', async () => {
  const { ask } = await startGate({ store: brokenStore() });
  const { status, headers, body } = await ask('/livez', {});
  expect([status, body, headers['cache-control']]).toEqual([200, '{"status":"ok"}', 'no-store']);
});

test('gate: a response that cannot be sent closes the connection, and the gate continues', async () => {
  const store = createMemoryStore();
  const targetArgs = 'a\r\nPostern-Injected: 1';
  const { api, ask, authRequest } = await startGate({
    store: {
      ...store,
      find: async (id) => {
        const grant = await store.find(id);
        return grant && { ...grant, targetArgs };
      },
    },
  });
  const { url, access_token } = await issueToken(api, { path: '/download/a' });
  expect(isToken(access_token)).toBe(true);
  await expect(authRequest(url)).rejects.toThrow('socket hang up');
  expect((await ask('/livez', {})).status).toBe(200);
});

test('gate: a decision that ends after its deadline gets one response, and the connection stays', async () => {
  const memory = createMemoryStore();
  const lines: Array<{ code: string; msg: string }> = [];
  const log = pino({ level: 'info' }, { write: (line: string) => lines.push(JSON.parse(line)) });
  let answer = () => {};
  const { authRequest } = await startGate({
    store: {
      ...memory,
      find: () =>
        new Promise((resolve) => {
          answer = () => resolve(undefined);
        }),
    },
    decisionMs: 20,
    log,
  });
  const url = `/download/a?token=ps_${'A'.repeat(32)}`;
  expect((await authRequest(url)).status).toBe(503);
  answer();
  const next = await authRequest('/download/a');
  expect([next.status, next.reused]).toEqual([401, true]);
  expect(lines.map(({ code }) => code)).toEqual(['unavailable', 'missing_token']);
});
