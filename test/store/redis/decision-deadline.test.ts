import { setImmediate as turn } from 'node:timers/promises';
import { expect, onTestFinished, test, vi } from 'vitest';
import { jwtId } from '../../../service/token/token.ts';
import { keptLog } from '../../support/ask-api.ts';
import { type GateReply, startGate } from '../../support/ask-gate.ts';
import { endpoint, foreigner, publicHalf, uri } from '../../support/jwt/issuers.ts';
import { signedGate } from '../../support/jwt/signed.ts';
import { issueToken } from '../../support/postern.ts';
import { startProxied } from '../../support/store/open-redis.ts';
import { startHoldingProxy } from '../../support/store/proxies.ts';

const LATE = { code: 'unavailable', reason: 'the decision took longer than 1500 ms' };
const PATH = '/download/reports/a';

/**
 * Starts a decision and, as soon as it waits for something, advances a clock double to its deadline.
 * Expects no answer one millisecond before the deadline.
 */
async function atDeadline(
  decide: () => Promise<GateReply>,
  isWaiting: () => boolean,
): Promise<GateReply> {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  onTestFinished(() => void vi.useRealTimers());
  let isAnswered = false;
  const answer = decide().finally(() => {
    isAnswered = true;
  });
  while (!isWaiting()) await turn();
  vi.advanceTimersByTime(1499);
  for (let i = 0; i < 20; i += 1) await turn();
  expect(isAnswered).toBe(false);
  vi.advanceTimersByTime(1);
  const reply = await answer;
  vi.useRealTimers();
  return reply;
}

async function slowStore() {
  const { proxy, store } = await startProxied(startHoldingProxy, { timeoutMs: 10_000 });
  const { log, parsed } = keptLog();
  const gate = await startGate({ store, log });
  return { ...gate, proxy, parsed };
}

test('deadline: cookies of four issuers whose keys do not arrive get one 503 in time', async () => {
  const hanging = await endpoint(() => {});
  const keys = { uri: hanging.uri };
  const apps = await Promise.all(['a', 'b', 'c', 'd'].map((name) => foreigner(name, { keys })));
  const { log, parsed } = keptLog();
  const { authRequest } = await signedGate({ issuers: apps.map(({ issuer }) => issuer), log });
  const cookies = await Promise.all(apps.map(({ sign }) => sign()));
  const { status, headers } = await atDeadline(
    () => authRequest(PATH, { 'Postern-Cookie': cookies.join(' ') }),
    () => hanging.state.asked > 0,
  );
  expect([status, headers['postern-reason']]).toEqual([503, 'unavailable']);
  expect(parsed().at(-1)).toMatchObject(LATE);
});

test('deadline: keys that arrive after it serve the next request', async () => {
  let arrive = () => {};
  const jwks = await endpoint((response) => {
    arrive = () => response.end(JSON.stringify({ keys: [publicHalf(app.jwk)] }));
  });
  const app = await foreigner('app', { keys: { uri: jwks.uri } });
  const { codeOf } = await signedGate({ issuers: [app.issuer], decisionMs: 50 });
  const token = await app.sign();
  expect(await codeOf(uri(token))).toBe('unavailable');
  await expect.poll(() => jwks.state.asked, { message: 'the keys to be asked for' }).toBe(1);
  arrive();
  await expect.poll(() => codeOf(uri(token)), { message: 'the keys' }).toBe('allow');
  expect(jwks.state.asked).toBe(1);
});

test('deadline: a slow store gets 503 in time, whatever POSTERN_STORE_TIMEOUT_MS is', async () => {
  const { api, authRequest, proxy, parsed } = await slowStore();
  const { url } = await issueToken(api, { path: '/download/a' });
  proxy.hold(/mget/i);
  const { status } = await atDeadline(() => authRequest(url), proxy.isHolding);
  expect(status).toBe(503);
  expect(parsed().at(-1)).toMatchObject(LATE);
  proxy.release();
  expect((await authRequest(url)).status).toBe(204);
});

test('deadline: after it no use of a token that another issuer signed is taken', async () => {
  const { proxy, store } = await startProxied(startHoldingProxy, { timeoutMs: 10_000 });
  const app = await foreigner('app');
  const trusted = { issuers: [app.issuer], files: app.file };
  const { authRequest, clock } = await signedGate({ ...trusted, store });
  clock.now = Date.now();
  const iat = Math.floor(clock.now / 1000);
  const token = await app.sign({ iat, exp: iat + 60, max_uses: 1, jti: 'late' });
  // The store learns of the token.
  proxy.hold(/eval/i);
  expect((await authRequest(uri(token))).status).toBe(503);
  proxy.release();
  const id = jwtId(app.issuer.issuer, 'late');
  // On the same connection, so after what the late decision would have sent.
  for (let i = 0; i < 2; i += 1) expect((await store.find(id)).grant).toBeDefined();
  expect((await store.requesters(id)).total).toBe(0);
});

test('deadline: the requester whose use was taken too late is known when it asks again', async () => {
  const { api, authRequest, proxy } = await slowStore();
  const { url } = await issueToken(api, { path: '/download/a', max_uses: 1 });
  proxy.hold(/eval/i);
  const from = { 'X-Real-IP': '192.0.2.1' };
  const { status } = await atDeadline(() => authRequest(url, from), proxy.isHolding);
  expect(status).toBe(503);
  proxy.release();
  expect((await authRequest(url, from)).status).toBe(204);
  expect((await authRequest(url, { 'X-Real-IP': '192.0.2.2' })).status).toBe(401);
});
