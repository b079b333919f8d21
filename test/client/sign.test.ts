import { decodeJwt, decodeProtectedHeader } from 'jose';
import { expect, test } from 'vitest';
import { sign } from '../../client/sign.ts';
import { foreigner, from, newJwk } from '../support/jwt/issuers.ts';
import { signedGate } from '../support/jwt/signed.ts';

const PATH = '/download/reports/a b.pdf';

/** A gate that trusts the issuer whose tokens are signed. */
async function createSite(alg = 'EdDSA') {
  const { issuer, jwk: key, file } = await foreigner('shop', {}, alg);
  const gate = await signedGate({ issuers: [issuer], files: file });
  gate.clock.now = Date.now();
  return { ...gate, signing: { key, issuer: issuer.issuer, audience: issuer.audience } };
}

test.each(['EdDSA', 'ES256', 'RS256'])('sign: the gate accepts a token by %s', async (alg) => {
  const { authRequest, codeOf, signing } = await createSite(alg);
  const request = { path: PATH, expires_in: 120, subject: 'ada', filename: 'b.pdf' };
  const { url = '', access_token: token, jti, exp } = await sign(request, signing);
  expect(url).toBe(`/download/reports/a%20b.pdf?token=${token}`);
  const { status, headers } = await authRequest(url);
  expect(status).toBe(204);
  expect(headers).toMatchObject({ 'postern-subject': 'ada' });
  expect(await codeOf(url.replace('a%20b', 'c'))).toBe('insufficient_scope');
  expect(decodeProtectedHeader(token)).toMatchObject({ alg, kid: signing.key.kid });
  expect(decodeJwt(token)).toMatchObject({ jti, exp, sub: 'ada', iss: 'https://shop.example' });
});

test('sign: a single use can be resumed by its requester, until resume_for after the start', async () => {
  const { codeOf, clock, signing } = await createSite();
  const request = { path: PATH, expires_in: 60, max_uses: 1, resume_for: 600 };
  const { url = '', access_token: token } = await sign(request, signing);
  const { iat = 0, exp = 0, start_by: startBy } = decodeJwt<{ start_by: number }>(token);
  expect([startBy - iat, exp - startBy]).toEqual([60, 600]);
  expect(await codeOf(url, from('192.0.2.1'))).toBe('allow');
  expect(await codeOf(url, from('192.0.2.2'))).toBe('invalid_token');
  clock.now += 590_000;
  expect(await codeOf(url, from('192.0.2.1'))).toBe('allow');
});

test('sign: without resume_for the end is expires_in', async () => {
  const { signing } = await createSite();
  const { access_token: token } = await sign({ path: PATH, expires_in: 60, max_uses: 1 }, signing);
  const { iat = 0, exp, start_by: startBy } = decodeJwt(token);
  expect([exp, startBy]).toEqual([iat + 60, undefined]);
});

test('sign: a token for a folder has no url, and each token has its own jti', async () => {
  const { codeOf, signing } = await createSite();
  const request = { prefix: '/download/reports/', expires_in: 60 };
  const [one, two] = [await sign(request, signing), await sign(request, signing)];
  expect(one.url).toBeUndefined();
  expect(one.jti).not.toBe(two.jti);
  expect(await codeOf(`/download/~${one.access_token}/reports/x.ts`)).toBe('allow');
});

test('sign: the request cannot replace the issuer, the ID or the times', async () => {
  const { signing } = await createSite();
  const claims = { iss: 'x', aud: 'x', jti: 'x', iat: 1, exp: 1e10, start_by: 1e10 };
  const { access_token: token, jti } = await sign(
    { path: PATH, expires_in: 60, ...claims },
    signing,
  );
  const { iss, aud, exp = 0, iat = 0, ...others } = decodeJwt(token);
  expect({ iss, aud, life: exp - iat }).toEqual({
    ...{ iss: signing.issuer, aud: signing.audience, life: 60 },
  });
  expect(others).toMatchObject({ jti });
});

test('sign: needs a key with kid and alg, and expires_in', async () => {
  const { signing } = await createSite();
  const { kid: _, ...key } = await newJwk('EdDSA', 'x');
  const request = { path: PATH, expires_in: 60 };
  await expect(sign(request, { ...signing, key })).rejects.toThrow('private JWK with kid and alg');
  await expect(sign({ ...request, expires_in: 0 }, signing)).rejects.toThrow('expires_in');
});
