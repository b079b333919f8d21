import { expect, test } from 'vitest';
import { pageAnswer } from '../../service/gate/answer.ts';
import { brokenStore } from '../api/broken-store.ts';
import { issueToken } from '../support/postern.ts';
import { startGate } from './ask-gate.ts';

const PAGE = { 'Postern-Page': 'invalid_token', 'Accept-Language': 'de' };

test('page: the gate writes a page while the store fails, and decides nothing', async () => {
  const { ask, api } = await startGate({ store: brokenStore() });
  const { status, headers, body, reused } = await ask('/page', PAGE);
  expect([status, headers['content-type'], headers['cache-control'], reused]).toEqual([
    200,
    'text/html; charset=utf-8',
    'no-store',
    false,
  ]);
  expect(headers['content-length']).toBe(String(body.length));
  expect(body).toContain('<h1>Dieser Link funktioniert nicht mehr</h1>');
  expect((await ask('/page', PAGE)).reused).toBe(true);
  const metrics = await (await api.request('/metrics')).text();
  expect(metrics).not.toMatch(/^postern_decisions_total\{.*\} [1-9]/m);
});

// nginx sends no URI, no cookie and no header of a client. If something did, the page would not use it.
test('page: a token in the request is not redeemed and not shown', async () => {
  const { ask, api, store } = await startGate();
  const {
    id,
    url,
    access_token: token,
  } = await issueToken(api, { path: '/download/a', max_uses: 1 });
  const headers = {
    'X-Original-URI': url,
    'X-Original-Method': 'GET',
    'X-Real-IP': '192.0.2.1',
    Authorization: `Bearer ${token}`,
    'Postern-Cookie': token,
  };
  const { status, body } = await ask('/page', { ...PAGE, ...headers });
  expect([status, body.includes(token)]).toEqual([200, false]);
  expect(await store.requesters(id)).toEqual([]);
});

test.each([
  ['POST', '/page', 405],
  ['GET', '/page?code=x', 404],
  ['GET', '/page/', 404],
])('page: %s %s gets %i', async (method, path, status) => {
  const { ask } = await startGate();
  expect((await ask(path, PAGE, method)).status).toBe(status);
});

test('page: without a page the gate answers 503 without a body', () => {
  expect(pageAnswer(undefined)).toEqual({ status: 503, headers: ['Content-Length', '0'] });
});
