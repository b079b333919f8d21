import { createPrivateKey, sign as signBytes } from 'node:crypto';
import type { JWK } from 'jose';
import { describe, expect, test } from 'vitest';
import { createMemoryStore } from '../../../service/store/memory.ts';
import { jwtId } from '../../../service/token/token.ts';
import { startRedis } from '../../harness/redis.ts';
import { openRedis } from '../../store/open-redis.ts';
import { compact, endpoint, foreigner, from, newJwk, publicHalf, START, uri } from '../issuers.ts';
import { signedGate, trusting, trustingRemote } from '../signed.ts';

/** Another issuer whose tokens can have any text as payload. */
async function raw() {
  const trusted = await trusting({ client: 'test' });
  const { app } = trusted;
  const key = createPrivateKey({ key: app.jwk as never, format: 'jwk' });
  const by = (input: string) => signBytes(null, Buffer.from(input), key);
  const header = { alg: 'EdDSA', kid: 'app 1', typ: 'postern+jwt' };
  const times = { iat: START, exp: START + 120, jti: '1' };
  const who = { iss: app.issuer.issuer, aud: app.issuer.audience };
  const claims = { ...who, path: '/download/reports/a', ...times };
  return { ...trusted, claims, make: (payload: object | string) => compact(header, payload, by) };
}

describe('hostile JWT: claims of any shape', () => {
  const wrong = [
    ...[{ exp: -1 }, { iat: 0 }, { start_by: -1 }, { start_by: null }],
    ...[{ max_uses: 1, start_by: START - 1 }, { max_uses: 1.5 }, { max_uses: -1 }],
    ...[{ max_uses: [1] }, { max_uses: null }, { resume_for: -1 }],
    { path: ['/download/reports/a'] },
    ...[{ iss: ['https://app.example'] }, { iss: 'https://app.example\0' }, { iss: '__proto__' }],
    ...[{ iss: 'https://app.example.' }, { iss: 'https://APP.example' }],
    ...[{ iss: 'https://app\u00ad.example' }, { aud: { 0: 'https://files.example' } }, { aud: [] }],
    ...[{ aud: [['https://files.example']] }, { aud: ['https://files.example', 1] }],
    ...[{ aud: 'https://files.example/x' }, { jti: 'a\0b' }, { jti: '\ud800' }, { jti: 1 }],
    ...[{ jti: 'x'.repeat(257) }, { sub: 'a\r\nX: y' }, { ip: [] }],
  ];
  const members = [
    ...[
      ...['"exp":1e308', '"exp":1e400', '"exp":NaN', '"iat":1e308', '"iat":-1e308'],
      '"max_uses":1e308',
    ],
    ...['"__proto__":{"max_uses":1}', '"constructor":{"prototype":{"x":1}}', '"toString":1'],
    // The last of two equal keys counts.
    '"jti":null',
  ];
  type Row = [string, (claims: object) => string];
  test.each<Row>([
    ...wrong.map(
      (more): Row => [JSON.stringify(more), (c: object) => JSON.stringify({ ...c, ...more })],
    ),
    ...members.map((one): Row => [one, (c) => `${JSON.stringify(c).slice(0, -1)},${one}}`]),
    ['a list', (c) => JSON.stringify([c])],
    ['a text', (c) => JSON.stringify(JSON.stringify(c))],
    ['a BOM', (c) => `\ufeff${JSON.stringify(c)}`],
    ['more text after the payload', (c) => `${JSON.stringify(c)}{}`],
  ])('%s', async (_, payload) => {
    const { make, claims, codeOf } = await raw();
    expect(await codeOf(uri(make(claims)))).toBe('allow');
    expect(await codeOf(uri(make(payload(claims))))).toMatch(/^(invalid|missing)_token$/);
    const object: Record<string, unknown> = {};
    expect(object.x ?? object.max_uses).toBeUndefined();
  });
});

test('external JWT: the token IDs of two issuers never collide', async () => {
  expect(jwtId('https://a', 'b')).not.toBe(jwtId('https://a\0b', ''));
  const a = await foreigner('a', { client: 'test' });
  const b = await foreigner('b', { client: 'other' });
  const files = { ...a.file, ...b.file };
  const { codeOf, ask } = await signedGate({ issuers: [a.issuer, b.issuer], files });
  const claims = { jti: 'x', max_uses: 1 };
  const [one, two] = [await a.sign(claims), await b.sign(claims)];
  expect(await codeOf(uri(one), from('192.0.2.1'))).toBe('allow');
  expect(await codeOf(uri(two), from('192.0.2.2'))).toBe('allow');
  await ask('POST /revoke', { form: { token: two } });
  expect(await codeOf(uri(two), from('192.0.2.2'))).toBe('allow');
  await ask('POST /revoke', { form: { token: one } });
  expect(await codeOf(uri(one), from('192.0.2.1'))).toBe('invalid_token');
  expect(await codeOf(uri(two), from('192.0.2.2'))).toBe('allow');
  const form = { iss: b.issuer.issuer, jti: 'x' };
  expect((await ask('POST /revoke', { form })).status).toBe(403);
});

describe.each(['memory', 'Redis'])('external JWT: races with %s', (kind) => {
  async function racing() {
    const redis = kind === 'Redis' ? await startRedis() : undefined;
    // Redis forgets by its own clock, which is the real one.
    const start = Math.floor(Date.now() / 1000);
    const clock = () => start * 1000;
    const store = redis
      ? await openRedis(redis, { now: clock })
      : createMemoryStore({ now: clock });
    const app = await foreigner('app', { client: 'test' });
    const gate = await signedGate({ issuers: [app.issuer], files: app.file, store });
    gate.clock.now = start * 1000;
    const sign = (claims: object) => app.sign({ iat: start, exp: start + 120, ...claims });
    return { ...gate, app: { ...app, sign }, redis };
  }

  test('exactly max_uses first uses are allowed', async () => {
    const { app, codeOf, redis } = await racing();
    for (let round = 0; round < 20; round += 1) {
      const token = await app.sign({ max_uses: 3, jti: `r${round}` });
      const codes = await Promise.all(
        [...Array(12).keys()].map((i) => codeOf(uri(token), from(`192.0.2.${i}`))),
      );
      expect(codes.filter((code) => code === 'allow')).toHaveLength(3);
    }
    await redis?.stop();
  });

  test('after a revocation no request is allowed', async () => {
    const { app, codeOf, ask, redis } = await racing();
    for (let round = 0; round < 20; round += 1) {
      const token = await app.sign({ max_uses: 50, jti: `s${round}` });
      const form = round % 2 ? { token } : { iss: app.issuer.issuer, jti: `s${round}` };
      const uses = [...Array(10).keys()].map((i) => codeOf(uri(token), from(`192.0.2.${i}`)));
      await Promise.all([...uses, ask('POST /revoke', { form })]);
      for (let i = 0; i < 3; i += 1)
        expect(await codeOf(uri(token), from(`192.0.2.${i}`))).toBe('invalid_token');
    }
    await redis?.stop();
  });
});

test('external JWT: a second token with the same jti has no further uses', async () => {
  const { make, claims, codeOf, clock } = await raw();
  const one = make({ ...claims, max_uses: 1 });
  const more = make({ ...claims, max_uses: 1000, exp: START + 600 });
  const plain = make({ ...claims, exp: START + 600 });
  expect(await codeOf(uri(one), from('192.0.2.1'))).toBe('allow');
  for (const token of [more, plain])
    expect(await codeOf(uri(token), from('192.0.2.2'))).toBe('invalid_token');
  clock.now += 124_999;
  expect(await codeOf(uri(one), from('192.0.2.3'))).toBe('invalid_token');
});

describe('hostile jwks_uri', () => {
  test.each<[string, (jwk: JWK) => JWK[] | Promise<JWK[]>]>([
    ['private keys', (jwk) => [jwk]],
    ['shared secrets', async () => [{ ...(await newJwk('HS256', 'app 1')) }]],
    [
      'keys with the same kid',
      async (jwk) => [jwk, await newJwk('EdDSA', 'app 1')].map(publicHalf),
    ],
    ['keys with use enc', (jwk) => [{ ...publicHalf(jwk), use: 'enc' }]],
    ['keys with key_ops for encryption', (jwk) => [{ ...publicHalf(jwk), key_ops: ['encrypt'] }]],
    ['keys with another alg', (jwk) => [{ ...publicHalf(jwk), alg: 'ES256' }]],
  ])('%s are rejected', async (_, keysOf) => {
    const { jwks, app, codeOf } = await trustingRemote();
    jwks.state.keys = await keysOf(app.jwk);
    expect(await codeOf(uri(await app.sign()))).toBe('invalid_token');
  });

  test('a redirect is not followed', async () => {
    const target = await endpoint();
    const jwks = await endpoint((response) =>
      response.writeHead(302, { location: target.uri }).end(),
    );
    const app = await foreigner('app', { keys: { uri: jwks.uri } });
    target.state.keys = [publicHalf(app.jwk)];
    const { codeOf } = await signedGate({ issuers: [app.issuer] });
    expect(await codeOf(uri(await app.sign()))).toBe('unavailable');
    expect(target.state.asked).toBe(0);
  });

  test('is asked once for a hundred simultaneous unknown keys', async () => {
    const { jwks, app, jwt, clock } = await trustingRemote();
    const tokens = await Promise.all(
      [...Array(100).keys()].map(async (i) => app.sign({}, await newJwk('EdDSA', `k${i}`))),
    );
    await Promise.all(tokens.map((token) => jwt.verify(token)));
    for (const token of tokens.slice(0, 20)) {
      expect(await jwt.verify(token)).toMatchObject({ reason: expect.stringMatching(/^kid: /) });
    }
    expect(jwks.state.asked).toBe(1);
    clock.now += 11_000;
    await Promise.all(tokens.map((token) => jwt.verify(token)));
    expect(jwks.state.asked).toBe(2);
  });
});

describe('hostile JWT: shape', () => {
  test('a token has at most 4000 characters', async () => {
    const { make, claims, codeOf } = await raw();
    const tokens = [...Array(400).keys()]
      .map((pad) => make({ ...claims, aud: [claims.aud, 'x'.repeat(2400 + pad)] }))
      .filter(({ length }) => Math.abs(length - 4000) <= 8);
    const near = new Set(tokens.map(({ length }) => length).filter((n) => Math.abs(n - 4000) < 3));
    expect(near.size).toBeGreaterThan(2);
    for (const token of tokens) {
      const code = token.length <= 4000 ? 'allow' : 'missing_token';
      expect([token.length, await codeOf(uri(token))]).toEqual([token.length, code]);
    }
  });

  test('in a path: its dots are not dot segments, and the rest of the path is checked', async () => {
    const { app, codeOf } = await trusting({ paths: [{ prefix: '/download/' }] });
    const token = await app.sign({ path: undefined, prefix: '/download/reports/' });
    expect(await codeOf(`/download/~${token}/reports/a`)).toBe('allow');
    for (const rest of [
      ...['/../secret', '/reports/../secret', '/reports/%2e%2e/x', '/./reports/a'],
      ...['//reports/a', '/reports%2fa', '/..', '/reports/a%00'],
    ]) {
      expect(await codeOf(`/download/~${token}${rest}`)).toBe('invalid_request');
    }
    for (const [uri, code] of [
      [`/download/reports/~${token}/a`, 'missing_token'],
      [`/download/~${token.replace('.', '%2e')}/reports/a`, 'invalid_request'],
      [`/download/~${token}/reports/a?token=${token}`, 'invalid_request'],
      [`/download/~~${token}/reports/a`, 'missing_token'],
      [`/download/~${token}./reports/a`, 'missing_token'],
      [`/download/~${token}`, 'path_is_folder'],
      [`/download/~${token};x/reports/a`, 'missing_token'],
    ] as const) {
      expect([uri.length, await codeOf(uri)]).toEqual([uri.length, code]);
    }
  });
});
