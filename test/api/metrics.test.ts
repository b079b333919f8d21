import fc from 'fast-check';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createMemoryStore } from '../../service/store/memory.ts';
import { newToken, tokenId } from '../../service/token/token.ts';
import { legalPath } from '../support/arbitrary-paths.ts';
import { createAsked } from '../support/ask-api.ts';
import { startGate } from '../support/ask-gate.ts';
import { linesOf, unescaped } from '../support/fixtures.ts';
import { createSigned } from '../support/jwt/signed.ts';
import { apiKey, createPostern, type IssuedToken, issueToken, KEY } from '../support/postern.ts';
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

test('metrics: a reload is recorded', async () => {
  const { api, metrics } = createPostern();
  const successful = 'postern_config_last_reload_successful';
  const time = 'postern_config_last_reload_success_timestamp_seconds';
  const values = async () => {
    const { value } = await scraped(api);
    return [value(successful), value(time)];
  };
  vi.useFakeTimers({ toFake: ['Date'] });
  onTestFinished(() => void vi.useRealTimers());
  const [, started] = await values();
  vi.setSystemTime(2_000_000_000_000);
  metrics.recordReload(false);
  expect(await values()).toEqual([0, started]);
  metrics.recordReload(true);
  expect(await values()).toEqual([1, 2_000_000_000]);
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

  const sent = { authorization: `Bearer ${KEY}` };
  const JSON_TYPE = { 'content-type': 'application/json' };
  const FORM_TYPE = { 'content-type': 'application/x-www-form-urlencoded' };
  const post = (path: string, type: object, body: object) => {
    const text = type === JSON_TYPE ? JSON.stringify(body) : `${new URLSearchParams({ ...body })}`;
    return api.request(path, { method: 'POST', headers: { ...sent, ...type }, body: text });
  };
  // Node's client sends no control bytes.
  const header = (text: string) => encodeURI(text.toWellFormed()).replace(/\p{Cc}/gu, '');
  const seen = new Set<string>();

  const hostile = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 20 }),
    fc.constantFrom('"} 1\n', '\\', '{}', '__proto__', 'constructor', 'le="0"', '# TYPE a counter'),
  );
  await fc.assert(
    fc.asyncProperty(hostile, legalPath, async (text, path) => {
      const words = `${MARK}${text}`;
      const covers = `/download/${MARK}${path}`;
      const json = { path: covers, subject: words, filename: words };
      const reply = await post('/tokens', JSON_TYPE, json);
      await post('/tokens', JSON_TYPE, { [words]: words, path: words, format: words });
      const issued = (reply.status === 201 ? await reply.json() : {}) as Partial<IssuedToken>;
      const { url = header(covers), access_token: token = newToken(), id = MARK } = issued;
      seen.add(token);
      const about = {
        ...{ Authorization: `Bearer ${MARK}`, 'X-Real-IP': header(words) },
        'Postern-Cookie': `${token} ps_${MARK.padEnd(32, 'x')}`,
        ...{ 'Postern-Resume': header(words), 'X-Request-ID': header(words) },
        'Sec-Purpose': header(words),
      };
      for (const ask of [authRequest, xAccel]) {
        await ask(url, about);
        await ask(header(words), { ...about, 'Postern-Site': header(words) });
        await ask(url, { ...about, 'X-Original-Method': header(words) });
      }
      await post('/introspect', FORM_TYPE, { token });
      await post('/introspect', FORM_TYPE, { token: words });
      await post(`/revoke?${MARK}`, FORM_TYPE, { iss: words, jti: words });
      const subject = `?${new URLSearchParams({ subject: words })}`;
      for (const path of [`/tokens/${id}`, `/tokens${subject}`, `/metrics${subject}`]) {
        await api.request(path, { headers: { ...sent, accept: header(words) } });
      }
      await api.request(`/tokens${subject}`, { headers: sent, method: 'DELETE' });
      await api.request(`/${encodeURIComponent(words.toWellFormed())}`, { method: MARK });
    }),
    { numRuns: 60 },
  );
  for (const line of linesOf('hostile-uris.txt')) {
    const token = newToken();
    seen.add(token);
    const uri = unescaped(line).replaceAll('TOKEN', token);
    await authRequest(uri.replace(/\p{Cc}/gu, ''));
  }

  const text = await (await api.request('/metrics')).text();
  const after = samplesOf(text);
  expect([...after.keys()]).toEqual([...before.samples.keys()]);
  expect(text.toLowerCase()).not.toContain(MARK);
  for (const token of seen) expect(text).not.toContain(token.slice(3, 20));
  // Requests were decided on, and tokens issued.
  expect(after.get('postern_tokens_issued_total{format="opaque"}')).toBeGreaterThan(20);
  const allowed = after.get('postern_decisions_total{mode="auth_request",code="allow"}');
  expect(allowed).toBeGreaterThan(20);
});
