import { expect, test } from 'vitest';
import { issueToken } from '../support/postern.ts';
import { startGate } from './ask-gate.ts';

async function asked() {
  const gate = await startGate();
  const { url, access_token: token } = await issueToken(gate.api, { prefix: '/download/' });
  const headers = {
    'X-Original-URI': `${url}a`,
    'X-Original-Method': 'GET',
    'Postern-Site': 'files.example',
  };
  return { ...gate, token, headers };
}

test('headers: a request with all headers is allowed', async () => {
  const { ask, headers } = await asked();
  expect((await ask('/auth-request', headers)).status).toBe(204);
});

test.each(['X-Original-URI', 'X-Original-Method'] as const)(
  'without %s nothing opens, nor with two or an empty one',
  async (name) => {
    const { ask, headers, token } = await asked();
    const { [name]: value, ...others } = headers;
    const Authorization = `Bearer ${token}`;
    for (const path of ['/auth-request', '/x-accel']) {
      const status = async (more: Record<string, string | string[]>) =>
        (await ask(path, { Authorization, ...others, ...more })).status;
      expect(await status({})).toBeGreaterThanOrEqual(400);
      expect(await status({ [name]: '' })).toBeGreaterThanOrEqual(400);
      expect(await status({ [name]: [value, value] })).toBeGreaterThanOrEqual(400);
    }
  },
);

test('headers: two X-Original-URI headers are not joined', async () => {
  const { ask, headers, token } = await asked();
  const uris = ['/download/a', '/download/b'];
  const Authorization = `Bearer ${token}`;
  const reply = await ask('/auth-request', { ...headers, Authorization, 'X-Original-URI': uris });
  expect(reply.headers['postern-reason']).toBe('invalid_request');
});

test('headers: a token is accepted as a bearer token', async () => {
  const { ask, headers, token } = await asked();
  const uri = { 'X-Original-URI': '/download/a' };
  const Authorization = `Bearer ${token}`;
  expect((await ask('/auth-request', { ...headers, ...uri, Authorization })).status).toBe(204);
});

test('headers: a missing or duplicate Postern-Site matches no grant', async () => {
  const { api, ask, headers } = await asked();
  const { url } = await issueToken(api, { path: '/download/a', site: 'files.example' });
  const { 'Postern-Site': site, ...others } = { ...headers, 'X-Original-URI': url };
  expect((await ask('/auth-request', { ...others, 'Postern-Site': site })).status).toBe(204);
  expect((await ask('/auth-request', others)).status).toBe(403);
  expect((await ask('/auth-request', { ...others, 'Postern-Site': [site, site] })).status).toBe(
    403,
  );
});

test('headers: headers of the client have no effect', async () => {
  const { ask, token } = await asked();
  const reply = await ask('/auth-request', {
    'X-Original-URL': `/download/a?token=${token}`,
    'X-Forwarded-Uri': `/download/a?token=${token}`,
    'X-HTTP-Method-Override': 'GET',
    Cookie: `postern=${token}`,
  });
  expect(reply.status).toBe(403);
});
