import { decodeJwt, decodeProtectedHeader } from 'jose';
import { describe, expect, test } from 'vitest';
import { createOwnKeys } from '../../service/jwt/keys.ts';
import { from, newJwk, publicHalf, uri } from '../support/jwt/issuers.ts';
import { createSigned, signedGate, trusting } from '../support/jwt/signed.ts';
import { mount } from '../support/postern.ts';

test.each(['EdDSA', 'ES256', 'HS256'])('JWT: a token by %s carries its grant', async (alg) => {
  const { issue, authRequest, codeOf } = await signedGate({ algorithms: [alg] });
  const shown = { path: '/download/é.pdf', filename: 'x.pdf', limit_rate: 5 };
  const { access_token: token, id, url } = await issue({ ...shown, subject: 'user-42' });
  expect(decodeProtectedHeader(token)).toEqual({ alg, kid: '0', typ: 'postern+jwt' });
  expect(decodeJwt(token)).toEqual({
    iss: 'https://files.example',
    aud: 'urn:postern:download',
    sub: 'user-42',
    jti: expect.stringMatching(/^[\w-]{22}$/),
    iat: 1_800_000_000,
    nbf: 1_800_000_000,
    exp: 1_800_000_120,
    client_id: 'test',
    mount: '/download/',
    ...shown,
  });
  const { status, headers } = await authRequest(url);
  expect(status).toBe(204);
  expect(headers).toMatchObject({
    'postern-token-id': id,
    'postern-subject': 'user-42',
    'postern-limit-rate': '5',
  });
  expect(await codeOf(url.replace('%C3%A9', 'e'))).toBe('insufficient_scope');
});

test('JWT: the service publishes the public half of each key, and nothing of a shared secret', async () => {
  const { ask, files } = await createSigned({ algorithms: ['EdDSA', 'HS256', 'ES256'] });
  const { headers, body } = await ask('GET /.well-known/jwks.json', { key: '' });
  expect(headers.get('content-type')).toBe('application/jwk-set+json');
  const [first, , last] = JSON.parse(files.own ?? '').keys;
  expect(body).toEqual({ keys: [first, last].map(publicHalf) });
});

describe('JWT, own: with a record in the store', () => {
  test('ends at exp, and can be shortened but not prolonged', async () => {
    const { ask, issue, codeOf, clock } = await signedGate();
    const { id, url } = await issue({ path: '/download/a', expires_in: 60 });
    const later = await ask(`PATCH /tokens/${id}`, { json: { expires_in: 61 } });
    expect(later).toMatchObject({ status: 400, body: { errors: [{ pointer: '#/expires_in' }] } });
    expect(await ask(`PATCH /tokens/${id}`, { json: { expires_in: 30 } })).toMatchObject({
      body: { exp: 1_800_000_030, format: 'jwt' },
    });
    clock.now += 29_999;
    expect(await codeOf(url)).toBe('allow');
    clock.now += 1;
    expect(await codeOf(url)).toBe('invalid_token');
  });

  test('counts uses, and a requester may continue after the last first use', async () => {
    const { ask, issue, codeOf, clock } = await signedGate();
    const uses = { max_uses: 1, resume_for: 600 };
    const { access_token: token, id, url } = await issue({ path: '/download/a', ...uses });
    const ends = { start_by: 1_800_000_120, exp: 1_800_000_720 };
    expect(decodeJwt(token)).toMatchObject({ ...uses, ...ends, bind: 'any' });
    // Later requesters could not resume until the end that the JWT promises.
    expect((await ask(`PATCH /tokens/${id}`, { json: { expires_in: 121 } })).status).toBe(400);
    const [first, other] = [from('192.0.2.1'), from('192.0.2.2')];
    clock.now += 100_000;
    expect(await codeOf(url, first)).toBe('allow');
    expect(await codeOf(url, other)).toBe('invalid_token');
    clock.now += 599_000;
    expect(await codeOf(url, first)).toBe('allow');
    clock.now += 1_000;
    expect(await codeOf(url, first)).toBe('invalid_token');
  });
});

describe('JWT, own: without a record in the store', () => {
  test('costs no store operation, and ends at exp', async () => {
    const { ask, issue, codeOf, store, clock } = await signedGate();
    const { access_token: token, id, url } = await issue({ path: '/download/a', revocable: false });
    expect(decodeJwt(token)).toMatchObject({ revocable: false });
    expect((await store.find(id)).grant).toBeUndefined();
    await store.close();
    expect(await codeOf(url)).toBe('allow');
    expect(await ask('POST /introspect', { form: { token } })).toMatchObject({
      body: { active: true, jti: id, path: '/download/a', exp: 1_800_000_120, format: 'jwt' },
    });
    expect(await ask('POST /revoke', { form: { token } })).toMatchObject({
      status: 400,
      body: { code: 'unsupported_token_type' },
    });
    expect((await ask(`PATCH /tokens/${id}`, { json: { expires_in: 60 } })).status).toBe(404);
    clock.now += 119_999;
    expect(await codeOf(url)).toBe('allow');
    clock.now += 1;
    expect(await codeOf(url)).toBe('invalid_token');
  });

  test.each([
    [{ max_uses: 1, revocable: false }, true, 400, ['#/revocable']],
    [{ resume_for: 60, revocable: false }, true, 400, ['#/revocable']],
    [{ max_bytes: 1, revocable: false }, true, 400, ['#/revocable']],
    [{ max_bytes: 1 }, false, 400, ['#/max_bytes']],
    [{ max_bytes: 1 }, true, 201, undefined],
  ])('with %j, and with reports of nginx %s: %d', async (more, countsBytes, ...expected) => {
    const { ask } = await createSigned({ countsBytes });
    const json = { path: '/download/a', format: 'jwt', ...more };
    const { status, body, text } = await ask('POST /tokens', { json });
    const { errors } = body as { errors?: ReadonlyArray<{ pointer: string }> };
    expect([status, errors?.map(({ pointer }) => pointer)]).toEqual(expected);
    expect(text.includes('needs POSTERN_DELIVERY_LISTEN')).toBe(!countsBytes);
  });
});

test('JWT: a token above the maximum length is not issued', async () => {
  const { ask, codeOf } = await signedGate();
  const [path, target] = ['/download/', '/protected/'].map((folder) => folder + 'a'.repeat(2000));
  const reply = await ask('POST /tokens', { json: { format: 'jwt', path, target } });
  const code = reply.status === 201 ? await codeOf(reply.body.url) : reply.body.code;
  expect(code).toMatch(/^(allow|invalid_request)$/);
});

describe('JWT keys: invalid', () => {
  test.each(['EdDSA', 'ES256'])('%s halves of different keys are rejected', async (alg) => {
    const [a, b] = [await newJwk(alg, 'a'), await newJwk(alg, 'b')];
    const { x, y } = b;
    const mixed = JSON.stringify({ keys: [{ ...a, x, ...(y !== undefined && { y }) }] });
    await expect(createOwnKeys(mixed)).rejects.toThrow('must be a valid JWK');
  });

  test('a key for encryption cannot sign', async () => {
    const text = JSON.stringify({ keys: [{ ...(await newJwk('ES256', 'a')), use: 'enc' }] });
    await expect(createOwnKeys(text)).rejects.toThrow();
  });
});

test('JWT: confirm is a claim, and the PIN is in neither the token nor the API', async () => {
  const { issue, ask } = await createSigned();
  const json = { path: '/download/a', confirm: true, pin: '47114711', filename: 'x.pdf' };
  const { access_token: token, id } = await issue(json);
  expect(decodeJwt(token)).toMatchObject({ confirm: true, resume_for: 0 });
  const shown = await ask(`GET /tokens/${id}`);
  expect(shown.body).toMatchObject({ confirm: true, requesters: [] });
  const introspected = await ask('POST /introspect', { form: { token } });
  expect(introspected.body).toMatchObject({ active: true, confirm: true });
  const all = JSON.stringify([decodeJwt(token), shown.body, introspected.body]);
  expect(all).not.toMatch(/"pin|47114711/i);
});

test('JWT, external: confirm counts its requesters, and a claim pin is rejected', async () => {
  const { app, codeOf, ...gate } = await trusting();
  const token = await app.sign({ confirm: true, max_uses: 1, resume_for: 60 });
  const confirm = async (address: string) =>
    (await gate.confirm(uri(token), from(address))).headers['postern-reason'];
  const one = from('192.0.2.1');
  expect(await codeOf(uri(token), one)).toBe('confirmation_required');
  expect(await confirm('192.0.2.1')).toBe('confirmed');
  expect(await codeOf(uri(token), one)).toBe('allow');
  expect(await confirm('192.0.2.2')).toBe('invalid_token');
  const pinned = await app.sign({ confirm: true, pin: '4711' });
  expect(await codeOf(uri(pinned), one)).toBe('invalid_token');
});

// decide/started.test.ts has the rules for tokens of the store.
describe('slices: a download that began with a JWT', () => {
  const SLICE = { 'Postern-Started': '1800000000.000' };

  async function begun(kind: string) {
    const mounts = [mount('/download/', '/protected/', { downloadTime: 86_400 })];
    const { app, issue, ...gate } = await trusting({ client: 'test' }, { mounts });
    const more = kind === 'own, not revocable' ? { revocable: false } : {};
    const own = () => issue({ path: '/download/reports/a', ...more });
    const token = kind === 'of an issuer' ? await app.sign() : (await own()).access_token;
    expect(await gate.codeOf(uri(token), SLICE)).toBe('allow');
    gate.clock.now += 3_600_000;
    return { ...gate, token };
  }

  test.each(['own', 'own, not revocable', 'of an issuer'])('%s: goes on', async (kind) => {
    const { codeOf, token } = await begun(kind);
    expect(await codeOf(uri(token))).toBe('invalid_token');
    expect(await codeOf(uri(token), SLICE)).toBe('allow');
  });

  test.each(['own', 'of an issuer'])('%s: ends if it is revoked', async (kind) => {
    const { ask, codeOf, token } = await begun(kind);
    expect((await ask('POST /revoke', { form: { token } })).status).toBe(200);
    expect(await codeOf(uri(token), SLICE)).toBe('invalid_token');
  });
});
