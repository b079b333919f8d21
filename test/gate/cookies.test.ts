import { describe, expect, test, vi } from 'vitest';
import { tokensOf } from '../../service/decide/authorize.ts';
import { gateRequest } from '../../service/gate/headers.ts';
import { startGate } from '../support/ask-gate.ts';
import { apiKey, issueToken, KEY } from '../support/postern.ts';

const ADDRESS = { 'X-Real-IP': '192.0.2.1' };
const SECRET = '[A-Za-z0-9_-]{22}';

test('cookies: with auth_request each cookie has a separate header', async () => {
  const { api, authRequest } = await startGate();
  const prefix = '/download/hls/';
  const counted = await issueToken(api, { prefix, max_uses: 1 });
  const once = await authRequest(`${counted.url}a.ts`, ADDRESS);
  const resume = new RegExp(
    `^postern_resume=${SECRET}; Path=/download/~${counted.access_token}/hls/; ` +
      'Max-Age=604800; HttpOnly; SameSite=Lax$',
  );
  expect(once.headers['postern-set-cookie']).toMatch(resume);
  expect(once.headers).not.toHaveProperty('postern-set-cookie-2');
  expect(once.headers).not.toHaveProperty('set-cookie');

  const plain = await issueToken(api, { prefix, cookie: true });
  const played = await authRequest(`${plain.url}a.ts`, ADDRESS);
  expect(played.headers['postern-set-cookie']).toBe(
    `postern=${plain.access_token}; Path=/download/hls/; HttpOnly; SameSite=Lax`,
  );
  expect(played.headers).not.toHaveProperty('postern-set-cookie-2');

  const both = await issueToken(api, { prefix, cookie: true, max_uses: 1 });
  const first = await authRequest(`/download/hls/a.ts?token=${both.access_token}`, ADDRESS);
  expect(first.headers['postern-set-cookie']).toMatch(
    /^postern_resume=.*; Path=\/download\/hls\/;/,
  );
  expect(first.headers['postern-set-cookie-2']).toMatch(/^postern=ps_/);
  expect(first.headers['x-accel-expires']).toBe('0');
});

test('cookies: with X-Accel the client gets Set-Cookie', async () => {
  const { api, xAccel } = await startGate();
  const both = { prefix: '/download/hls/', cookie: true, max_uses: 1 };
  const { access_token: token } = await issueToken(api, both);
  const { status, headers } = await xAccel(`/download/hls/a.ts?token=${token}`, ADDRESS);
  expect(status).toBe(200);
  expect(headers['set-cookie']).toEqual([
    expect.stringMatching(/^postern_resume=/),
    `postern=${token}; Path=/download/hls/; HttpOnly; SameSite=Lax`,
  ]);
});

test.each([
  ['Lax', true, false, 'HttpOnly; SameSite=Lax; Secure'],
  ['None', true, false, 'HttpOnly; SameSite=None; Secure'],
  ['None', true, true, 'HttpOnly; SameSite=None; Secure; Partitioned'],
  ['Strict', false, false, 'HttpOnly; SameSite=Strict'],
] as const)('cookies: %s, secure %s, partitioned %s: attributes %s', async (...settings) => {
  const [sameSite, secure, partitioned, attributes] = settings;
  const cookies = { sameSite, secure, partitioned };
  const { api, authRequest } = await startGate({ cookies });
  const both = { prefix: '/download/', cookie: true, max_uses: 1 };
  const { url } = await issueToken(api, both);
  const { headers } = await authRequest(`${url}a`, ADDRESS);
  expect(headers['postern-set-cookie']).toMatch(new RegExp(`; ${attributes}$`));
  expect(headers['postern-set-cookie-2']).toMatch(new RegExp(`; ${attributes}$`));
});

test.each([
  [{ max_uses: 1 }, 604_800],
  [{ max_uses: 1, expires_in: 864_000 }, 864_000],
  [{ max_uses: 1, resume_for: 864_001 }, 864_001],
])('cookies: for %j the resume cookie lasts %d s', async (request, age) => {
  const limits = { maxExpiresIn: 1_000_000, maxResumeFor: 1_000_000 };
  const { api, authRequest } = await startGate({ apiKeys: [apiKey(KEY, limits)] });
  const { url } = await issueToken(api, { path: '/download/a', ...request });
  const { headers } = await authRequest(url, ADDRESS);
  expect(headers['postern-set-cookie']).toContain(`; Max-Age=${age};`);
});

// nginx adds `Purpose` to it.
const PREFETCHES = [
  ...['prefetch', 'prefetch;anonymous-client-ip', 'prefetch;prerender', 'prefetchprefetch'],
  ...['Prefetch', 'preview', 'prerender'],
];

test.each([...PREFETCHES, '', 'download'])('prefetch: Sec-Purpose %j', async (purpose) => {
  const { api, authRequest } = await startGate();
  const { url } = await issueToken(api, { path: '/download/a', max_uses: 1 });
  const reply = await authRequest(url, { ...ADDRESS, 'Sec-Purpose': purpose });
  const isPrefetch = PREFETCHES.includes(purpose);
  expect(reply.headers['postern-reason']).toBe(isPrefetch ? 'prefetch' : undefined);
  expect(reply.status).toBe(isPrefetch ? 403 : 204);
});

// nginx sends Postern-Cookie with the first cookie, and Cookie only if there may be several.
describe('cookies: several of one name', () => {
  const OLD = `ps_${'x'.repeat(32)}`;
  test.each<[(token: string) => string, boolean]>([
    [(token) => `postern=${OLD}; postern=${token}`, true],
    [(token) => `x=1; postern=${OLD}; postern=; postern="${OLD}"; postern=${token}; y=2`, true],
    [(token) => `postern=${OLD};postern=${token}`, true],
    [(token) => `POSTERN=${OLD}; postern=${token}`, true],
    [(token) => `postern=${OLD}; xpostern=${token}; postern_=${token}; Postern=${token}`, false],
    [(token) => `postern=${OLD}; postern_resume=${token}; x=postern=${token}`, false],
    [(token) => `postern=${OLD}; postern=a b=${token}`, false],
  ])('%s: %s', async (cookie, isAllowed) => {
    const { api, authRequest } = await startGate();
    const { access_token: token } = await issueToken(api, { path: '/download/a' });
    const Cookie = cookie(token);
    const first = /postern=([^;]*)/i.exec(Cookie)?.[1] ?? '';
    const reply = await authRequest('/download/a', { 'Postern-Cookie': first, Cookie });
    expect(reply.status).toBe(isAllowed ? 204 : 401);
  });

  test('a requester is recognized by the second resume cookie', async () => {
    const { api, authRequest } = await startGate();
    const { url } = await issueToken(api, { path: '/download/a', max_uses: 1, bind: 'cookie' });
    const { headers } = await authRequest(url, ADDRESS);
    const secret = /=([^;]+)/.exec(String(headers['postern-set-cookie']))?.[1] ?? '';
    const Cookie = `postern_resume=${'x'.repeat(22)}; postern_resume=${secret}`;
    const first = { 'Postern-Resume': 'x'.repeat(22) };
    expect((await authRequest(url, first)).status).toBe(401);
    expect((await authRequest(url, { ...first, Cookie })).status).toBe(204);
  });

  test('of 32 KB of cookies only the first 33 values are read, and of these 40 are decoded', () => {
    const decode = vi.spyOn(JSON, 'parse');
    const jwt = (i: number) => `ey_.ey_.${i}`;
    const tried = (cookie: string) => {
      decode.mockClear();
      const request = gateRequest({ 'postern-cookie': 'a', cookie });
      return [
        request.cookie?.split(' ').length,
        tokensOf(request, undefined),
        decode.mock.calls.length,
      ];
    };
    const jwts = Array.from(Array(1_500), (_, i) => jwt(i));
    expect(tried(`postern=a; ${'postern=;'.repeat(3_400)}`)).toEqual([2, [], 0]);
    expect(tried(jwts.map((one) => `postern=${one}`).join(';'))).toEqual([33, [], 32]);
    expect(tried(`postern=${jwts.join(' ')}`)).toEqual([1_501, [], 39]);
  });
});
