import { expect, test } from 'vitest';
import type { PosternClient } from '../../client/client.ts';
import { createFaked, type Handler, problem } from '../support/posterns.ts';

type Call = (postern: PosternClient) => Promise<unknown>;

const request = { path: '/download/a' };

/** Changes something each time: never sent twice. */
const once: Array<[string, Call]> = [
  ['issue', (postern) => postern.issue(request)],
  ['issueMany', (postern) => postern.issueMany([request])],
  ['prolong', (postern) => postern.prolong('x', 60)],
];

const repeatable: Array<[string, Call]> = [
  ['show', (postern) => postern.show('x')],
  ['list', (postern) => postern.list({ subject: 'x' })],
  ['revoke', (postern) => postern.revoke('x')],
  ['revokeToken', (postern) => postern.revokeToken('x')],
  ['revokeSubject', (postern) => postern.revokeSubject('x')],
  ['revokeClient', (postern) => postern.revokeClient('x')],
  ['introspect', (postern) => postern.introspect('x')],
];

const soon = { 'Retry-After': '0' };
const lost: Handler = () => Promise.reject(new TypeError('fetch failed'));

const temporary: Array<[string, Handler, string]> = [
  ['a 503 of the API', () => problem(503, 'unavailable', soon), 'unavailable'],
  ['a 502 of a proxy', () => new Response('<h1>', { status: 502 }), 'unexpected_response'],
  ['a lost connection', lost, 'unreachable'],
];

test.each(temporary)('retry: %s: what changes something is sent once', async (_, handler, code) => {
  for (const [name, call] of once) {
    const { sent, postern } = createFaked(handler);
    await expect(call(postern), name).rejects.toMatchObject({ code });
    expect(sent.length, name).toBe(1);
  }
});

test.each(temporary)('retry: %s: a repeatable call is sent 3 times', async (_, handler, code) => {
  await Promise.all(
    repeatable.map(async ([name, call]) => {
      const { sent, postern } = createFaked(handler);
      await expect(call(postern), name).rejects.toMatchObject({ code });
      expect(sent.length, name).toBe(3);
    }),
  );
});

test('retry: one that is answered succeeds', async () => {
  let count = 0;
  const { sent, postern } = createFaked(() => {
    count += 1;
    return count < 3 ? problem(503, 'unavailable', soon) : Response.json({ revoked: 4 });
  });
  expect(await postern.revokeSubject('x')).toBe(4);
  expect(sent.map(({ url, method }) => `${method} ${url}`)).toEqual(
    new Array(3).fill('DELETE http://a/tokens?subject=x'),
  );
});

test('after 429, each call is sent again, because it has not begun', async () => {
  const { sent, postern } = createFaked(() => problem(429, 'too_many_requests', soon));
  const refused = { code: 'too_many_requests', status: 429 };
  await expect(postern.issueMany([{ path: '/download/a' }])).rejects.toMatchObject(refused);
  expect(sent).toHaveLength(3);
});

test('retries: 0 sends each request once', async () => {
  const { sent, postern } = createFaked(lost, { retries: 0 });
  await expect(postern.show('x')).rejects.toMatchObject({ code: 'unreachable' });
  expect(sent).toHaveLength(1);
});

test.each([400, 401, 403, 404, 500])('an error that stays is not repeated: %d', async (status) => {
  const { sent, postern } = createFaked(() => problem(status, 'internal_error', soon));
  await expect(postern.show('x')).rejects.toMatchObject({ status, detail: 'why' });
  expect(sent).toHaveLength(1);
});

test('a Retry-After beyond the time-out is not waited for', async () => {
  const { sent, postern } = createFaked(() => problem(503, 'unavailable', { 'Retry-After': '60' }));
  await expect(postern.show('x')).rejects.toMatchObject({ code: 'unavailable', retryAfter: 60 });
  expect(sent).toHaveLength(1);
});

test('timeoutMs ends a call without a response', async () => {
  const { postern } = createFaked(
    (_, { signal }) =>
      new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason))),
    { timeoutMs: 5 },
  );
  await expect(postern.issue(request)).rejects.toMatchObject({
    code: 'timeout',
    message: 'timeout: no response within 5 ms',
  });
});

test('signal: ends a call with its reason, and ends the pause before a retry', async () => {
  const reason = new Error('the user has left');
  const before = createFaked(lost);
  await expect(before.postern.show('x', { signal: AbortSignal.abort(reason) })).rejects.toBe(
    reason,
  );

  const controller = new AbortController();
  const { sent, postern } = createFaked(() => {
    setImmediate(() => controller.abort(reason));
    return problem(503, 'unavailable', { 'Retry-After': '9' });
  });
  await expect(postern.show('x', { signal: controller.signal })).rejects.toBe(reason);
  expect(sent).toHaveLength(1);
});

test.each<[string, Handler]>([
  ['HTML', () => new Response('<h1>It works!</h1>')],
  ['other JSON', () => Response.json({ hello: 1 })],
  ['a JSON string', () => Response.json('x')],
  ['null', () => Response.json(null)],
  ['nothing', () => new Response(null, { status: 204 })],
  ['a redirect', () => new Response(null, { status: 302, headers: { location: 'http://b/' } })],
  ['a problem without a code', () => Response.json({ title: 'Not Found' }, { status: 404 })],
])('a response of another server is unexpected_response: %s', async (_, handler) => {
  const call = { subject: 'x' };
  const { postern } = createFaked(handler);
  const all = [postern.issue(request), postern.issueMany([request]), postern.show('x')];
  for (const one of [
    ...all,
    postern.list(call),
    postern.introspect('x'),
    postern.revokeSubject('x'),
  ])
    await expect(one).rejects.toMatchObject({ code: 'unexpected_response' });
});

test('issueMany: fewer tokens than requests are unexpected_response', async () => {
  const { postern } = createFaked(() => Response.json([{ url: '/a' }], { status: 201 }));
  await expect(postern.issueMany([request, request])).rejects.toMatchObject({
    code: 'unexpected_response',
  });
});

test('a field `code` in a response is not an error', async () => {
  const { postern } = createFaked(() => Response.json({ id: 'x', code: 'y' }));
  expect(await postern.show('x')).toEqual({ id: 'x', code: 'y' });
});

test('a redirect is not followed: the key goes to no other address', async () => {
  const { sent, postern } = createFaked(() => Response.redirect('http://b/', 302));
  await expect(postern.show('x')).rejects.toMatchObject({
    code: 'unexpected_response',
    status: 302,
  });
  expect(sent[0]?.redirect).toBe('manual');
  expect(sent).toHaveLength(1);
});
