import { describe, expect, test } from 'vitest';
import { pageAnswer } from '../../service/gate/answer.ts';
import { createMemoryStore } from '../../service/store/memory.ts';
import { brokenStore, keptLog } from '../support/ask-api.ts';
import { startGate } from '../support/ask-gate.ts';
import { issueToken } from '../support/postern.ts';
import { rowsOf } from '../support/rows.ts';

test('gate: HEAD gets the same response as GET', async () => {
  const { ask } = await startGate();
  const { status, headers, body } = await ask('/x-accel', {}, 'HEAD');
  expect([status, headers['postern-reason'], body]).toEqual([400, 'invalid_request', '']);
});

test.each(
  rowsOf({
    '405 method_not_allowed': ['POST /auth-request', 'DELETE /livez', 'POST /tokens', 'POST /page'],
    '404 not_found': [
      ...['GET /', 'GET /auth-request/', 'GET /auth-request?token=x', 'GET /tokens', 'GET /readyz'],
      ...['GET /metrics', 'GET /page?code=x', 'GET /page/'],
    ],
  }),
)('gate: %s gets %s', async (line, expected) => {
  const { ask } = await startGate();
  const [[method, path = ''], [number, code]] = [line.split(' '), expected.split(' ')];
  const status = Number(number);
  const reply = await ask(path, {}, method);
  expect(reply.status).toBe(status);
  expect(reply.headers['cache-control']).toBe('no-store');
  expect(reply.headers['content-type']).toBe('application/problem+json');
  expect(reply.headers.allow).toBe(status === 405 ? 'GET, HEAD' : undefined);
  const detail = expect.stringContaining('This is the gate');
  expect(JSON.parse(reply.body)).toMatchObject({ status, code, detail });
});

test('gate: a response that cannot be sent closes the connection, and the gate continues', async () => {
  const store = createMemoryStore();
  const targetArgs = 'a\r\nPostern-Injected: 1';
  const find: typeof store.find = async (id) => {
    const { grant } = await store.find(id);
    return { grant: grant && { ...grant, targetArgs } };
  };
  const { api, ask, authRequest } = await startGate({ store: { ...store, find } });
  const { url } = await issueToken(api, { path: '/download/a' });
  await expect(authRequest(url)).rejects.toThrow('socket hang up');
  expect((await ask('/livez', {})).status).toBe(200);
});

test('gate: a decision that ends after its deadline gets one response, and the connection stays', async () => {
  const { log, parsed } = keptLog();
  let answer = () => {};
  const find = () => new Promise<object>((resolve) => (answer = () => resolve({})));
  const store = { ...createMemoryStore(), find };
  const { authRequest } = await startGate({ store, decisionMs: 20, log });
  const url = `/download/a?token=ps_${'A'.repeat(32)}`;
  expect((await authRequest(url)).status).toBe(503);
  answer();
  const next = await authRequest('/download/a');
  expect([next.status, next.reused]).toEqual([401, true]);
  expect(parsed().map(({ code }) => code)).toEqual(['unavailable', 'missing_token']);
});

describe('headers of the request', () => {
  async function asked() {
    const gate = await startGate();
    const { url, access_token: token } = await issueToken(gate.api, { prefix: '/download/' });
    const headers = {
      'X-Original-URI': `${url}a`,
      'X-Original-Method': 'GET',
      'Postern-Site': 'files.example',
    };
    return { ...gate, token, headers, bearer: { Authorization: `Bearer ${token}` } };
  }

  test.each(['X-Original-URI', 'X-Original-Method'] as const)(
    'without %s nothing opens, nor with two or an empty one',
    async (name) => {
      const { ask, headers, bearer } = await asked();
      const { [name]: value, ...others } = headers;
      const all = { ...headers, ...bearer, 'X-Original-URI': '/download/a' };
      expect((await ask('/auth-request', all)).status).toBe(204);
      for (const path of ['/auth-request', '/x-accel']) {
        for (const more of [undefined, '', [value, value], [value, '/download/b']]) {
          const repeated = more === undefined ? {} : { [name]: more };
          const { status } = await ask(path, { ...bearer, ...others, ...repeated });
          expect(status).toBeGreaterThanOrEqual(400);
        }
      }
    },
  );

  test('a missing or duplicate Postern-Site matches no grant', async () => {
    const { api, ask, headers } = await asked();
    const { url } = await issueToken(api, { path: '/download/a', site: 'files.example' });
    const { 'Postern-Site': site, ...others } = { ...headers, 'X-Original-URI': url };
    const status = async (more: object) =>
      (await ask('/auth-request', { ...others, ...more })).status;
    expect(await status({ 'Postern-Site': site })).toBe(204);
    expect(await status({})).toBe(403);
    expect(await status({ 'Postern-Site': [site, site] })).toBe(403);
  });

  test('headers of the client have no effect', async () => {
    const { ask, token } = await asked();
    const reply = await ask('/auth-request', {
      'X-Original-URL': `/download/a?token=${token}`,
      'X-Forwarded-Uri': `/download/a?token=${token}`,
      'X-HTTP-Method-Override': 'GET',
      Cookie: `postern=${token}`,
    });
    expect(reply.status).toBe(403);
  });
});

const PAGE = { 'Postern-Page': 'invalid_token', 'Accept-Language': 'de' };

test('gate: while the store fails, /livez gets 200, and /page a page, which decides nothing', async () => {
  const { ask, api } = await startGate({ store: brokenStore() });
  const live = await ask('/livez', {});
  const { 'cache-control': cached } = live.headers;
  expect([live.status, live.body, cached]).toEqual([200, '{"status":"ok"}', 'no-store']);
  const { status, headers, body } = await ask('/page', PAGE);
  expect(status).toBe(200);
  expect(headers).toMatchObject({
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
    'content-length': String(body.length),
  });
  expect(body).toContain('<h1>Dieser Link funktioniert nicht mehr</h1>');
  expect((await ask('/page', PAGE)).reused).toBe(true);
  const metrics = await (await api.request('/metrics')).text();
  expect(metrics).not.toMatch(/^postern_decisions_total\{.*\} [1-9]/m);
});

test('page: without a page the gate answers 503 without a body', () => {
  expect(pageAnswer(undefined)).toEqual({ status: 503, headers: ['Content-Length', '0'] });
});
