import { describe, expect, test } from 'vitest';
import { dispositionOf } from '../../service/gate/headers.ts';
import { newToken, tokenId } from '../../service/token/token.ts';
import { startGate } from '../support/ask-gate.ts';
import { issueToken, mount } from '../support/postern.ts';

test('auth_request: an allowed request gets 204 with the target as raw UTF-8', async () => {
  const { api, authRequest } = await startGate();
  const name = 'Q3 résumé 100%? #1 "x" \u{1f600}.pdf';
  const { url, id } = await issueToken(api, { path: `/download/${name}` });
  const { status, headers, body } = await authRequest(url);
  expect([status, body]).toEqual([204, '']);
  expect(headers).toEqual({
    ...{ 'x-accel-expires': '0', 'postern-token-id': id },
    'postern-target': Buffer.from(`/protected/${name}`).toString('latin1'),
  });
});

test('auth_request: the response has every field of the grant', async () => {
  const { api, authRequest } = await startGate({
    mounts: [mount('/download/', '/protected/', { passArguments: ['start'] })],
    decisionTtl: 2,
  });
  const more = { subject: ' Zoë 100% ', limit_rate: 250_000, filename: 'b.mp4' };
  const { url } = await issueToken(api, { path: '/download/a.mp4', ...more });
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

test('auth_request: a browser may keep a file for max_age, less what nginx may cache the decision', async () => {
  for (const [decisionTtl, expected] of [
    [0, '90'],
    [30, '89'],
  ] as const) {
    const mounts = [mount('/download/', '/protected/', { maxAge: 90 })];
    const now = () => 1_800_000_000_000;
    const { api, authRequest } = await startGate({ mounts, decisionTtl, now });
    const { url } = await issueToken(api, { path: '/download/a' });
    expect((await authRequest(url)).headers['postern-max-age']).toBe(expected);
    // The next person at the browser could open the URL without the token.
    const folder = await issueToken(api, { prefix: '/download/', cookie: true });
    const reply = await authRequest(`${folder.url}a`, { 'Postern-Cookie': folder.access_token });
    expect([reply.status, reply.headers['postern-max-age']]).toEqual([204, undefined]);
    for (const more of [{ max_uses: 2 }, { ip: ['192.0.2.1'] }, { expires_in: decisionTtl + 1 }]) {
      const { url } = await issueToken(api, { path: '/download/a', ...more });
      const limited = await authRequest(url, { 'X-Real-IP': '192.0.2.1' });
      expect([limited.status, limited.headers['postern-max-age']]).toEqual([204, undefined]);
    }
  }
});

test('X-Accel: an allowed request gets an internal redirect without a body', async () => {
  const mounts = [mount('/download/', '/protected/', { passArguments: ['start'] })];
  const { api, xAccel } = await startGate({ decisionTtl: 2, mounts });
  const more = { subject: 'user%42', limit_rate: 1000, disposition: 'inline' };
  const { url, id } = await issueToken(api, { path: '/download/Q3 résumé?#%.pdf', ...more });
  const { status, headers, body } = await xAccel(`${url}&start=1%0d%0aX:y`);
  expect([status, body]).toEqual([200, '']);
  const args = 'start=1%0D%0AX%3Ay';
  expect(headers).toEqual({
    ...{ 'x-accel-expires': '0', expires: '0', 'x-accel-limit-rate': '1000' },
    'x-accel-redirect': `/protected/Q3%20r%C3%A9sum%C3%A9%3F%23%25.pdf?${args}`,
    'postern-target': Buffer.from('/protected/Q3 résumé?#%.pdf').toString('latin1'),
    ...{ 'content-length': '0', 'postern-disposition': 'inline', 'postern-token-id': id },
    ...{ 'postern-subject': 'user%2542', 'postern-args': args },
  });
});

describe.each(['authRequest', 'xAccel'] as const)('denials by %s', (mode) => {
  const bearer = 'Bearer realm="postern"';

  test.each([
    ['missing_token', 401, bearer],
    ['invalid_token', 401, `${bearer}, error="invalid_token"`],
    ['insufficient_scope', 403, undefined],
    ['prefetch', 403, undefined],
    ['invalid_request', mode === 'xAccel' ? 400 : 403, undefined],
  ] as const)('%s is a %i without a body', async (code, status, challenge) => {
    const { api, [mode]: ask } = await startGate({ decisionTtl: 2 });
    const { url, id } = await issueToken(api, { path: '/download/a' });
    const unknown = newToken();
    const reply = await {
      missing_token: () => ask('/download/a'),
      invalid_token: () => ask(`/download/a?token=${unknown}`),
      insufficient_scope: () => ask(url.replace('/a?', '/b?')),
      prefetch: () => ask(url, { 'Service-Worker': 'script' }),
      invalid_request: () => ask('/download/../a'),
    }[code]();
    expect([reply.status, reply.body]).toEqual([status, '']);
    expect(reply.headers).toMatchObject({
      'cache-control': 'no-store',
      'x-accel-expires': '0',
      'postern-reason': code,
      'content-length': '0',
    });
    expect(reply.headers['www-authenticate']).toBe(challenge);
    expect(Object.keys(reply.headers).join()).not.toMatch(/target|redirect|cookie/);
    const named = { invalid_token: tokenId(unknown), insufficient_scope: id, prefetch: id };
    expect(reply.headers['postern-token-id']).toBe(named[code as keyof typeof named]);
  });

  test('a denial of a token that sets cookies sets none', async () => {
    const { api, [mode]: ask } = await startGate();
    const body = { prefix: '/download/hls/', cookie: true, max_uses: 1 };
    const { url } = await issueToken(api, body);
    await ask(`${url}a.ts`, { 'X-Real-IP': '192.0.2.1' });
    const { status, headers } = await ask(`${url}a.ts`, { 'X-Real-IP': '192.0.2.2' });
    expect([status, headers['postern-reason']]).toEqual([401, 'invalid_token']);
    expect(Object.keys(headers).join()).not.toMatch(/cookie/);
  });
});

describe('Content-Disposition', () => {
  const grant = { client: 'c', mount: '/', covers: '/a', issuedAt: 0, expiresAt: 1 };

  test.each([
    [{}, undefined],
    [{ disposition: 'inline' }, 'inline'],
    [{ disposition: 'attachment' }, 'attachment'],
    [{ filename: 'a', disposition: 'inline' }, 'inline; filename="a"'],
    [{ confirm: true }, 'attachment'],
    [{ confirm: true, disposition: 'inline' }, 'inline'],
    [{ confirm: true, covers: '/a/' }, undefined],
  ] as const)('for %j it is %s', (more, expected) => {
    expect(dispositionOf({ ...grant, ...more })).toBe(expected);
  });

  test.each([
    ['a.pdf', 'filename="a.pdf"'],
    ['résumé.pdf', 'filename="resume.pdf"; filename*=UTF-8\'\'r%C3%A9sum%C3%A9.pdf'],
    ['\u{1f600}.gif', 'filename="_.gif"; filename*=UTF-8\'\'%F0%9F%98%80.gif'],
    ['é\'"%20.txt', 'filename="e\'\\"%20.txt"; filename*=UTF-8\'\'%C3%A9%27%22%2520.txt'],
  ])('%s is an attachment with %s', (filename, expected) => {
    expect(dispositionOf({ ...grant, filename })).toBe(`attachment; ${expected}`);
  });

  test.each([...'／＼\u0301‥℀', 'a／b.txt', 'a\u202egpj.exe'])(
    '%j can be sent, in ASCII, and names no folder',
    async (filename) => {
      const { api, authRequest } = await startGate();
      const { url } = await issueToken(api, { path: '/download/a', filename });
      const value = String((await authRequest(url)).headers['postern-disposition']);
      expect(value).toMatch(/^attachment; filename="[ -~]+"; filename\*=UTF-8''[!-~]+$/);
      expect(/filename="((?:\\.|[^"])*)"/.exec(value)?.[1]).not.toMatch(/[/\\]|^\.*$/);
    },
  );
});
