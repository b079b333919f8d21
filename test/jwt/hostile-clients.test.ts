import { importJWK, type JWK, SignJWT } from 'jose';
import { expect, test } from 'vitest';
import type { TrustedIssuer } from '../../service/jwt/open.ts';
import { keptLog } from '../api/ask-api.ts';
import { endpoint } from './endpoint.ts';
import { newJwk, publicHalf } from './keys.ts';
import { createSigned } from './signed-site.ts';

const START = 1_800_000_000;
const jwk = await newJwk('ES256', 'idp');
const files = { idp: JSON.stringify({ keys: [publicHalf(jwk)] }) };
const login: TrustedIssuer = {
  id: 'login',
  issuer: 'https://login.example',
  keys: { file: 'idp' },
  audience: 'postern',
  trustedFor: 'clients',
  algorithms: ['ES256'],
  paths: [{ prefix: '/download/users/{sub}/' }],
  targets: [],
  maxExpiresIn: 600,
  maxResumeFor: 600,
};

async function bearer(claims: object = {}, header: object = {}, by: JWK = jwk): Promise<string> {
  const who = { iss: 'https://login.example', aud: ['postern', 'other'], sub: 'ann' };
  return new SignJWT({ ...who, iat: START, exp: START + 300, ...claims })
    .setProtectedHeader({ alg: by.alg ?? '', kid: by.kid ?? '', typ: 'at+jwt', ...header })
    .sign(await importJWK(by, by.alg));
}

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
