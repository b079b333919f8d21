import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { importJWK, type JWK, SignJWT } from 'jose';
import { expect, test } from 'vitest';
import { waitFor } from '../../harness/wait.ts';
import { folderForTest } from '../../support/for-test.ts';
import { startInstance } from '../instances.ts';
import { endpoint, newJwk, publicHalf } from '../issuers.ts';

const FILES = 'https://files.example';

/** The service with issuers in its file, and all other settings in its environment. */
async function startTrusting(issuers: readonly object[]) {
  const folder = await folderForTest();
  const config = join(folder, 'postern.yaml');
  const common = { audience: FILES, max_expires_in: 600 };
  const settings = { issuers: issuers.map((one) => ({ ...common, ...one })) };
  // JSON is YAML.
  await writeFile(config, JSON.stringify(settings));
  return startInstance({ POSTERN_CONFIG: config });
}

/** A JWT that is valid from now on, for five minutes. */
async function sign(jwk: JWK, claims: object, typ: string): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  return new SignJWT({ aud: FILES, iat: now, exp: now + 300, ...claims })
    .setProtectedHeader({ alg: jwk.alg ?? '', kid: jwk.kid ?? '', typ })
    .sign(await importJWK(jwk, jwk.alg));
}

test('issuers: keys that are unavailable at the start are fetched later, and other tokens work', async () => {
  const [away, there] = [await endpoint(), await endpoint()];
  const [shop, press] = [await newJwk('ES256', 'shop'), await newJwk('EdDSA', 'press')];
  away.state.keys = [publicHalf(shop)];
  there.state.keys = [publicHalf(press)];
  await away.stop();
  const issuer = (id: string, uri: string) => ({
    ...{ id, issuer: `https://${id}.example`, jwks_uri: uri, trusted_for: 'downloads' },
    ...{ paths: [`/download/${id}/`], client: 'web' },
  });
  const service = await startTrusting([issuer('shop', away.uri), issuer('press', there.uri)]);
  const download = (jwk: JWK, jti: string, more = {}) => {
    const { kid: id } = jwk;
    const claims = { iss: `https://${id}.example`, jti, path: `/download/${id}/a`, ...more };
    return sign(jwk, claims, 'postern+jwt');
  };
  const [early, other] = [await download(shop, '1'), await download(press, '1')];
  const { access_token: own } = await service.issue();

  const denied = await service.gate(early, '/download/shop/a');
  expect([denied.status, denied.headers.get('postern-reason')]).toEqual([503, 'unavailable']);
  expect(await service.statusOf(other, '/download/press/a')).toBe(204);
  expect(await service.statusOf(own)).toBe(204);
  expect((await service.ask('GET /readyz')).status).toBe(200);
  const told = () => service.stdout().includes('https://shop.example');
  await waitFor(told, { what: 'the issuer to be named in the log' });

  await away.start();
  const passes = async () => {
    const status = await service.statusOf(early, '/download/shop/a');
    expect([503, 204]).toContain(status);
    return status === 204;
  };
  await waitFor(passes, { what: 'the keys to be asked for again' });
  expect(away.state.asked).toBe(1);

  // The token is cached now, so it needs the keys no longer.
  await Promise.all([away.stop(), there.stop()]);
  const late = await download(shop, '2', { max_uses: 1 });
  const from = (address: string) =>
    service.gate(late, '/download/shop/a', { 'X-Real-IP': address });
  expect((await from('192.0.2.1')).status).toBe(204);
  expect((await from('192.0.2.2')).status).toBe(401);
  expect((await service.ask('POST /revoke', { form: { token: early } })).status).toBe(200);
  expect(await service.statusOf(early, '/download/shop/a')).toBe(401);
  await service.stop();
  for (const token of [early, late, other]) expect(service.stdout()).not.toContain(token);
});

const provider = (uri: string) => ({
  id: 'login',
  issuer: 'https://login.example/',
  jwks_uri: uri,
  trusted_for: 'clients',
  paths: ['/download/users/{sub}/'],
});

test('issuers: a user of an identity provider issues, uses and revokes a token', async () => {
  const jwks = await endpoint();
  const login = await newJwk('RS256', 'login');
  jwks.state.keys = [publicHalf(login)];
  const service = await startTrusting([provider(jwks.uri)]);
  const user = (sub: string) => sign(login, { iss: 'https://login.example/', sub }, 'at+jwt');
  const [ann, bob] = [await user('ann'), await user('bob')];
  const wanted = { path: '/download/users/ann/a', max_uses: 1 };
  expect((await service.ask('POST /tokens', { key: bob, json: wanted })).status).toBe(403);
  const issued = await service.ask('POST /tokens', { key: ann, json: wanted });
  expect(issued.status).toBe(201);
  const { access_token: token, id } = issued.body;

  const opened = await service.gate(token, wanted.path);
  expect([opened.status, opened.headers.get('postern-subject')]).toEqual([204, 'ann']);
  const { body } = await service.ask(`GET /tokens/${id}`, { key: ann });
  expect(body).toMatchObject({ client_id: 'login/ann', uses_left: 0 });
  expect((await service.ask(`DELETE /tokens/${id}`, { key: bob })).status).toBe(404);
  expect(await service.statusOf(token, wanted.path)).toBe(204);
  expect((await service.ask(`DELETE /tokens/${id}`, { key: ann })).status).toBe(204);
  expect(await service.statusOf(token, wanted.path)).toBe(401);
  expect(jwks.state.asked).toBe(1);
  // Neither opens a file itself.
  expect(await service.statusOf(ann, wanted.path)).toBe(401);
});

test('issuers: without the keys of the provider a user gets 503 unavailable', async () => {
  const jwks = await endpoint();
  const login = await newJwk('ES256', 'login');
  await jwks.stop();
  const service = await startTrusting([provider(jwks.uri)]);
  const key = await sign(login, { iss: 'https://login.example/', sub: 'ann' }, 'at+jwt');
  const asked = await service.ask('POST /tokens', { key, json: { path: '/download/users/ann/a' } });
  expect([asked.status, asked.body.code]).toEqual([503, 'unavailable']);
  expect((await service.issue()).access_token).toMatch(/^ps_/);
});
