import { expect, test } from 'vitest';
import { keptLog } from '../api/ask-api.ts';
import { endpoint } from './endpoint.ts';
import { bearer, files, login } from './login.ts';
import { createSigned } from './signed-site.ts';

test('client JWT: a download token of any length is not accepted', async () => {
  const { ask } = await createSigned({ issuers: [login], files });
  const json = { path: '/download/users/ann/a' };
  for (const pad of ['', 'x'.repeat(4000)]) {
    const key = await bearer({ pad }, { typ: 'postern+jwt' });
    expect((await ask('POST /tokens', { key, json })).status).toBe(401);
  }
});

test('client JWT: unavailable keys are not reported as a store error', async () => {
  const jwks = await endpoint((response) => response.writeHead(500).end());
  const { log, parsed } = keptLog('error');
  const issuers = [{ ...login, keys: { uri: jwks.uri } }];
  const { ask } = await createSigned({ issuers, log });
  const json = { path: '/download/users/ann/a' };
  const { status, text } = await ask('POST /tokens', { key: await bearer(), json });
  expect(status).toBe(503);
  expect(`${text} ${JSON.stringify(parsed())}`).not.toMatch(/store/);
});

test('client JWT: a user with a long name can get JWTs', async () => {
  const { ask } = await createSigned({ issuers: [login], files });
  const sub = '漢'.repeat(255);
  const json = { path: `/download/users/${sub}/a`, format: 'jwt' };
  const { status, body } = await ask('POST /tokens', { key: await bearer({ sub }), json });
  expect(status === 201 ? body.access_token.length <= 4000 : body.code).toSatisfy(
    (told: unknown) => told === true || told === 'invalid_request',
  );
});
