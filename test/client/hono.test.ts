import { Hono } from 'hono';
import { expect, expectTypeOf, test } from 'vitest';
import { PosternError } from '../../client/client.ts';
import { redirectToFile } from '../../client/hono.ts';
import { createClients, createFaked, problem } from './posterns.ts';

type Env = { Variables: { user?: { id: string } } };

/** An application whose session is the header X-User. */
function createSite(postern: Parameters<typeof redirectToFile>[0]) {
  const app = new Hono<Env>();
  app.use(async (c, next) => {
    const id = c.req.header('x-user');
    if (id) c.set('user', { id });
    return next();
  });
  const redirect = redirectToFile<Env, '/files/:name'>(postern, (c) => {
    const user = c.get('user');
    expectTypeOf(c.req.param('name')).toBeString();
    return user && { path: `/download/${c.req.param('name')}`, subject: user.id };
  });
  app.get('/files/:name', redirect, (c) => c.text('log in', 401));
  app.onError((error, c) => c.text(error instanceof PosternError ? error.code : 'other', 500));
  return (path: string, user = 'ada') => app.request(path, { headers: { 'x-user': user } });
}

test('redirectToFile: 303 to the URL of a new token, with no-store', async () => {
  const { postern } = createClients();
  const response = await createSite(postern)('/files/a%20b.pdf');
  expect(response.status).toBe(303);
  expect(response.headers.get('location')).toMatch(/^\/download\/a%20b\.pdf\?token=ps_/);
  expect(response.headers.get('cache-control')).toBe('no-store');
  expect(response.headers.get('referrer-policy')).toBe('no-referrer');
  const { tokens } = await postern.list({ subject: 'ada' });
  expect(tokens.map(({ path }) => path)).toEqual(['/download/a b.pdf']);
});

test('redirectToFile: without a request for a token the next handler responds', async () => {
  const { sent, postern } = createFaked(() => problem(500, 'internal_error'));
  const response = await createSite(postern)('/files/a.pdf', '');
  expect([response.status, await response.text()]).toEqual([401, 'log in']);
  expect(sent).toEqual([]);
});

test('redirectToFile: 503 with Retry-After if Postern is not available', async () => {
  const full = () => problem(503, 'unavailable', { 'Retry-After': '7' });
  const lost = () => Promise.reject(new TypeError('fetch failed'));
  for (const [handler, seconds] of [
    [full, '7'],
    [lost, '5'],
  ] as const) {
    const response = await createSite(createFaked(handler).postern)('/files/a.pdf');
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, seconds]);
    expect(response.headers.get('location')).toBeNull();
  }
});

test('redirectToFile: other errors reach onError', async () => {
  const refused = () => problem(403, 'insufficient_scope');
  const response = await createSite(createFaked(refused).postern)('/files/a.pdf');
  expect([response.status, await response.text()]).toEqual([500, 'insufficient_scope']);
});
