import { expect, onTestFinished, test, vi } from 'vitest';
import { createMemoryStore } from '../../service/store/memory.ts';
import { newToken, tokenId } from '../../service/token/token.ts';
import { createAsked } from '../support/ask-api.ts';
import { startGate } from '../support/ask-gate.ts';
import { createSigned } from '../support/jwt/signed.ts';
import { apiKey, createPostern, issueToken, KEY } from '../support/postern.ts';
import { samplesOf } from '../support/samples.ts';

type Api = ReturnType<typeof createPostern>['api'];

async function scraped(api: Api) {
  const samples = samplesOf(await (await api.request('/metrics')).text());
  return { samples, value: (series: string) => samples.get(series) };
}

test('metrics: the API serves /metrics without a key, in the format of Prometheus', async () => {
  const { api } = createPostern();
  const reply = await api.request('/metrics');
  expect(reply.status).toBe(200);
  expect(reply.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  expect(reply.headers.get('cache-control')).toBe('no-store');
  const text = await reply.text();
  expect(text.endsWith('\n')).toBe(true);
  expect(text).toMatch(/^# TYPE postern_decision_seconds histogram$/m);
  const build = `postern_build_info{version="0.0.0",node="${process.version}"}`;
  expect(samplesOf(text).get(build)).toBe(1);

  const head = await api.request('/metrics', { method: 'HEAD' });
  expect([head.status, await head.text()]).toEqual([200, '']);
  const post = await api.request('/metrics', { method: 'POST' });
  expect([post.status, post.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
});

test('metrics: an API whose metrics have their own listener has no /metrics', async () => {
  const { api } = createPostern({ apiMetrics: false });
  for (const headers of [{}, { authorization: `Bearer ${KEY}` }]) {
    const reply = await api.request('/metrics', { headers });
    expect(reply.ok).toBe(false);
    expect(await reply.text()).not.toContain('postern_');
  }
  const described = (await (await api.request('/openapi.json')).json()) as { paths: object };
  expect(described.paths).not.toHaveProperty('/metrics');
  expect(described.paths).toHaveProperty('/readyz');
});

test('metrics: each decision is counted and timed, also one that fails', async () => {
  const memory = createMemoryStore();
  const broken = newToken();
  const mistake = new TypeError('a mistake');
  const find: typeof memory.find = (id) =>
    id === tokenId(broken) ? Promise.reject(mistake) : memory.find(id);
  const { api, ask, authRequest, xAccel } = await startGate({ store: { ...memory, find } });
  const { url } = await issueToken(api, { path: '/download/a' });
  const counted = await issueToken(api, { path: '/download/b', max_uses: 1 });
  await authRequest(url);
  await authRequest(url);
  await xAccel(url);
  await authRequest('/download/a');
  await authRequest(`/download/a?token=${newToken()}`);
  await authRequest(url.replace('?', 'x?'));
  await authRequest(counted.url, { 'Sec-Purpose': 'prefetch' });
  await xAccel('/download/../a');
  await xAccel(`/download/a?token=${broken}`);
  await ask('/livez', {});

  const { value } = await scraped(api);
  const decided = (mode: string, code: string) =>
    value(`postern_decisions_total{mode="${mode}",code="${code}"}`);
  const codes = ['allow', 'missing_token', 'invalid_token', 'insufficient_scope', 'prefetch'];
  const others = ['invalid_request', 'unavailable'];
  const counts = (mode: string) => [...codes, ...others].map((code) => decided(mode, code));
  expect(counts('auth_request')).toEqual([2, 1, 1, 1, 1, 0, 0]);
  expect(counts('x-accel')).toEqual([1, 0, 0, 0, 0, 1, 1]);
  expect(value('postern_decision_seconds_count{mode="auth_request"}')).toBe(6);
  expect(value('postern_decision_seconds_count{mode="x-accel"}')).toBe(3);
  expect(value('postern_decision_seconds_bucket{le="+Inf",mode="x-accel"}')).toBe(3);
});

test('metrics: the time of a decision is in seconds', async () => {
  const memory = createMemoryStore();
  const find: typeof memory.find = (id) => {
    vi.advanceTimersByTime(250);
    return memory.find(id);
  };
  const { api, authRequest } = await startGate({ store: { ...memory, find } });
  vi.useFakeTimers({ toFake: ['performance'] });
  onTestFinished(() => void vi.useRealTimers());
  await authRequest(`/download/a?token=${newToken()}`);
  const { value } = await scraped(api);
  expect(value('postern_decision_seconds_sum{mode="auth_request"}')).toBe(0.25);
});

test('metrics: issued tokens are counted, including JWTs without a record', async () => {
  const { api, ask, issue } = await createSigned();
  await issue({ path: '/download/a' });
  await issue({ path: '/download/a', revocable: false });
  const opaque = { path: '/download/a', format: 'opaque' };
  await ask('POST /tokens/batch', { json: [opaque, opaque, opaque] });
  await ask('POST /tokens/batch', { json: [opaque, { path: 'wrong' }] });
  const { value } = await scraped(api);
  expect(value('postern_tokens_issued_total{format="opaque"}')).toBe(3);
  expect(value('postern_tokens_issued_total{format="jwt"}')).toBe(2);
});

test('metrics: only first uses are counted, not HEAD requests or resumed downloads', async () => {
  const { api, authRequest } = await startGate();
  const { url } = await issueToken(api, { path: '/download/a', max_uses: 2 });
  const plain = await issueToken(api, { path: '/download/a' });
  await authRequest(plain.url);
  await authRequest(url, { 'X-Real-IP': '192.0.2.1', 'X-Original-Method': 'HEAD' });
  for (const host of [1, 1, 2, 3]) await authRequest(url, { 'X-Real-IP': `192.0.2.${host}` });
  expect((await scraped(api)).value('postern_tokens_redeemed_total')).toBe(2);
});

test('metrics: a revocation counts once, and a revoked subject counts each of its tokens', async () => {
  const { api, ask } = createAsked();
  const one = await issueToken(api, { path: '/download/a' });
  const two = await issueToken(api, { path: '/download/a' });
  for (let i = 0; i < 3; i += 1) await issueToken(api, { path: '/download/a', subject: 'ada' });
  await ask(`DELETE /tokens/${one.id}`);
  await ask(`DELETE /tokens/${one.id}`);
  await ask('POST /revoke', { form: { token: two.access_token } });
  await ask('POST /revoke', { form: { token: two.access_token } });
  expect((await scraped(api)).value('postern_tokens_revoked_total')).toBe(2);
  await ask('DELETE /tokens?subject=ada');
  await ask('DELETE /tokens?subject=nobody');
  expect((await scraped(api)).value('postern_tokens_revoked_total')).toBe(5);
});

test('metrics: no text of a request appears, and no series is added', async () => {
  const MARK = 'zq7mark';
  const client = { id: `${MARK}"} 1\npostern_injected_total{a="` };
  const { api, authRequest, xAccel } = await startGate({ apiKeys: [apiKey(KEY, client)] });
  const before = await scraped(api);
  expect(before.samples.size).toBeLessThan(450);
  const path = `/download/${MARK}`;
  const { url, id } = await issueToken(api, { path, subject: MARK, filename: `${MARK}"} 1` });
  const named = ['X-Request-ID', 'Postern-Resume', 'Postern-Cookie', 'Postern-Site', 'X-Real-IP'];
  const texts = [...named, 'Sec-Purpose'].map((name) => [name, `${MARK}"} 1`]);
  for (const ask of [authRequest, xAccel]) {
    for (const target of [url, path, MARK, `${path}?token=ps_${MARK.padEnd(32, 'x')}`]) {
      await ask(target, {});
      await ask(target, Object.fromEntries(texts));
      await ask(target, { 'X-Original-Method': MARK });
    }
  }
  const headers = { authorization: `Bearer ${KEY}` };
  for (const route of [`/tokens/${id}`, `/tokens/${MARK}`, `/tokens?subject=${MARK}`, path]) {
    for (const method of ['GET', 'DELETE', MARK]) await api.request(route, { headers, method });
  }
  const { samples } = await scraped(api);
  expect([...samples.keys()]).toEqual([...before.samples.keys()]);
  expect(samples.get('postern_decisions_total{mode="x-accel",code="allow"}')).toBe(2);
});
