import { createPrivateKey, sign as signBytes } from 'node:crypto';
import { importJWK, type JWK, SignJWT } from 'jose';
import { describe, expect, test } from 'vitest';
import { createMemoryStore } from '../../../service/store/memory.ts';
import { jwtId } from '../../../service/token/token.ts';
import { startRedis } from '../../harness/redis.ts';
import { openRedis } from '../../store/open-redis.ts';
import { compact, endpoint, foreigner, from, newJwk, publicHalf, START, uri } from '../issuers.ts';
import { signedGate, trusting, trustingRemote } from '../signed.ts';

/** Another issuer whose tokens can have any text as payload. */
async function raw(more: object = {}) {
  const app = await foreigner('app', { client: 'test', ...more });
  const key = createPrivateKey({ key: app.jwk as never, format: 'jwk' });
  const by = (input: string) => signBytes(null, Buffer.from(input), key);
  const header = { alg: 'EdDSA', kid: 'app 1', typ: 'postern+jwt' };
  const claims = {
    iss: app.issuer.issuer,
    aud: app.issuer.audience,
    path: '/download/reports/a',
    iat: START,
    exp: START + 120,
    jti: '1',
  };
  const gate = await signedGate({ issuers: [app.issuer], files: app.file });
  const make = (payload: object | string, head: object | string = header) =>
    compact(head, payload, by);
  return { app, make, claims, header, ...gate };
}

describe('hostile JWT: claims of any shape', () => {
  test.each<[string, (claims: object) => string]>([
    ['__proto__', (c) => JSON.stringify(c).replace('{', '{"__proto__":{"max_uses":1},')],
    ['constructor', (c) => JSON.stringify(c).replace('{', '{"constructor":{"prototype":{"x":1}},')],
    ['toString', (c) => JSON.stringify(c).replace('{', '{"toString":1,')],
    ['exp 1e308', (c) => JSON.stringify({ ...c, exp: 0 }).replace('"exp":0', '"exp":1e308')],
    ['exp 1e400', (c) => JSON.stringify({ ...c, exp: 0 }).replace('"exp":0', '"exp":1e400')],
    ['exp -1', (c) => JSON.stringify({ ...c, exp: -1 })],
    ['exp NaN', (c) => JSON.stringify({ ...c, exp: 0 }).replace('"exp":0', '"exp":NaN')],
    ['iat -1e308', (c) => JSON.stringify({ ...c, iat: 0 }).replace('"iat":0', '"iat":-1e308')],
    ['iat 1e308', (c) => JSON.stringify({ ...c, iat: 0 }).replace('"iat":0', '"iat":1e308')],
    ['iat 0', (c) => JSON.stringify({ ...c, iat: 0 })],
    ['start_by -1', (c) => JSON.stringify({ ...c, start_by: -1 })],
    ['start_by null', (c) => JSON.stringify({ ...c, start_by: null })],
    ['start_by before iat', (c) => JSON.stringify({ ...c, max_uses: 1, start_by: START - 1 })],
    [
      'max_uses 1e308',
      (c) => JSON.stringify({ ...c, max_uses: 0 }).replace('"max_uses":0', '"max_uses":1e308'),
    ],
    ['max_uses 1.5', (c) => JSON.stringify({ ...c, max_uses: 1.5 })],
    ['max_uses -1', (c) => JSON.stringify({ ...c, max_uses: -1 })],
    ['max_uses as text', (c) => JSON.stringify({ ...c, max_uses: '1' })],
    ['max_uses as a list', (c) => JSON.stringify({ ...c, max_uses: [1] })],
    ['max_uses null', (c) => JSON.stringify({ ...c, max_uses: null })],
    ['resume_for -1', (c) => JSON.stringify({ ...c, resume_for: -1 })],
    ['path as a list', (c) => JSON.stringify({ ...c, path: ['/download/reports/a'] })],
    ['iss as a list', (c) => JSON.stringify({ ...c, iss: ['https://app.example'] })],
    ['iss with a NUL', (c) => JSON.stringify({ ...c, iss: 'https://app.example\0' })],
    ['iss with a dot', (c) => JSON.stringify({ ...c, iss: 'https://app.example.' })],
    ['iss in capitals', (c) => JSON.stringify({ ...c, iss: 'https://APP.example' })],
    ['iss with a soft hyphen', (c) => JSON.stringify({ ...c, iss: 'https://app\u00ad.example' })],
    ['iss __proto__', (c) => JSON.stringify({ ...c, iss: '__proto__' })],
    ['aud as an object', (c) => JSON.stringify({ ...c, aud: { 0: 'https://files.example' } })],
    ['aud as a list in a list', (c) => JSON.stringify({ ...c, aud: [['https://files.example']] })],
    [
      'aud as a list without text',
      (c) => JSON.stringify({ ...c, aud: ['https://files.example', 1] }),
    ],
    [
      'aud that begins with the right one',
      (c) => JSON.stringify({ ...c, aud: 'https://files.example/x' }),
    ],
    ['no aud', (c) => JSON.stringify({ ...c, aud: [] })],
    ['jti with a NUL', (c) => JSON.stringify({ ...c, jti: 'a\0b' })],
    ['jti with half a character', (c) => JSON.stringify({ ...c, jti: '\ud800' })],
    ['jti of 257 characters', (c) => JSON.stringify({ ...c, jti: 'x'.repeat(257) })],
    ['jti as a number', (c) => JSON.stringify({ ...c, jti: 1 })],
    ['sub with a line break', (c) => JSON.stringify({ ...c, sub: 'a\r\nX: y' })],
    ['ip as an empty list', (c) => JSON.stringify({ ...c, ip: [] })],
    ['a list', (c) => JSON.stringify([c])],
    ['a text', (c) => JSON.stringify(JSON.stringify(c))],
    ['a BOM', (c) => `\ufeff${JSON.stringify(c)}`],
    ['more text after the payload', (c) => `${JSON.stringify(c)}{}`],
    ['a second jti that is null', (c) => `${JSON.stringify(c).slice(0, -1)},"jti":null}`],
  ])('%s', async (_, payload) => {
    const { make, claims, codeOf } = await raw();
    expect(await codeOf(uri(make(claims)))).toBe('allow');
    expect(await codeOf(uri(make(payload(claims))))).toMatch(/^(invalid|missing)_token$/);
    expect(
      ({} as Record<string, unknown>).x ?? ({} as Record<string, unknown>).max_uses,
    ).toBeUndefined();
  });

  test.each<[string, object | string]>([
    ['two algs', '{"alg":"none","alg":"HS256","kid":"app 1","typ":"postern+jwt"}'],
    ['__proto__ of an alg', '{"__proto__":{"alg":"EdDSA"},"kid":"app 1","typ":"postern+jwt"}'],
    ['alg with a space', { alg: 'EdDSA ', kid: 'app 1', typ: 'postern+jwt' }],
    ['alg in small letters', { alg: 'eddsa', kid: 'app 1', typ: 'postern+jwt' }],
    ['alg Ed25519', { alg: 'Ed25519', kid: 'app 1', typ: 'postern+jwt' }],
    ['kid with a NUL', { alg: 'EdDSA', kid: 'app 1\0', typ: 'postern+jwt' }],
    ['kid as a list', { alg: 'EdDSA', kid: ['app 1'], typ: 'postern+jwt' }],
    ['crit as a text', { alg: 'EdDSA', kid: 'app 1', typ: 'postern+jwt', crit: 'b64' }],
    ['crit as an empty list', { alg: 'EdDSA', kid: 'app 1', typ: 'postern+jwt', crit: [] }],
    [
      'crit of the prototype',
      { alg: 'EdDSA', kid: 'app 1', typ: 'postern+jwt', crit: ['toString'], toString: 1 },
    ],
    ['crit with b64', { alg: 'EdDSA', kid: 'app 1', typ: 'postern+jwt', crit: ['b64'], b64: true }],
    ['zip and enc', { alg: 'dir', enc: 'A128GCM', zip: 'DEF', kid: 'app 1', typ: 'postern+jwt' }],
    [
      'b64 false without crit',
      { alg: 'EdDSA', kid: 'app 1', typ: 'postern+jwt', b64: false, alg2: 1, crit: ['b64'] },
    ],
    [
      'two typs, the last another',
      '{"alg":"EdDSA","kid":"app 1","typ":"postern+jwt","typ":"at+jwt"}',
    ],
    ['typ with a parameter', { alg: 'EdDSA', kid: 'app 1', typ: 'postern+jwt;a=b' }],
    ['typ with a look-alike letter', { alg: 'EdDSA', kid: 'app 1', typ: 'poſtern+jwt' }],
  ])('a header of %s', async (_, head) => {
    const { make, claims, codeOf } = await raw();
    expect(await codeOf(uri(make(claims, head)))).toMatch(/^(invalid|missing)_token$/);
  });
});

test('external JWT: the token IDs of two issuers never collide', async () => {
  expect(jwtId('https://a', 'b')).not.toBe(jwtId('https://a\0b', ''));
  const [a, b] = [
    await foreigner('a', { client: 'test' }),
    await foreigner('b', { client: 'other' }),
  ];
  const { codeOf, ask } = await signedGate({
    issuers: [a.issuer, b.issuer],
    files: { ...a.file, ...b.file },
  });
  const [one, two] = [
    await a.sign({ jti: 'x', max_uses: 1 }),
    await b.sign({ jti: 'x', max_uses: 1 }),
  ];
  expect(await codeOf(uri(one), from('192.0.2.1'))).toBe('allow');
  expect(await codeOf(uri(two), from('192.0.2.2'))).toBe('allow');
  await ask('POST /revoke', { form: { token: two } });
  expect(await codeOf(uri(two), from('192.0.2.2'))).toBe('allow');
  await ask('POST /revoke', { form: { token: one } });
  expect(await codeOf(uri(one), from('192.0.2.1'))).toBe('invalid_token');
  expect(await codeOf(uri(two), from('192.0.2.2'))).toBe('allow');
  expect((await ask('POST /revoke', { form: { iss: b.issuer.issuer, jti: 'x' } })).status).toBe(
    403,
  );
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

  test('are not listed or revoked with a subject', async () => {
    const { app, codeOf, ask, redis } = await racing();
    const token = await app.sign({ max_uses: 1, sub: 'ann', jti: 'l' });
    expect(await codeOf(uri(token), from('192.0.2.1'))).toBe('allow');
    expect((await ask('GET /tokens?subject=ann')).body).toEqual({ tokens: [] });
    expect((await ask('DELETE /tokens?subject=ann')).body).toEqual({ revoked: 0 });
    expect(await codeOf(uri(token), from('192.0.2.1'))).toBe('allow');
    expect(
      (await ask(`PATCH /tokens/${jwtId(app.issuer.issuer, 'l')}`, { json: { expires_in: 1 } }))
        .status,
    ).toBe(400);
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
      async (jwk) => [publicHalf(jwk), { ...publicHalf(await newJwk('EdDSA', 'app 1')) }],
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
    const jwks = await endpoint();
    const app = await foreigner('app', { keys: { uri: jwks.uri } });
    jwks.state.keys = [publicHalf(app.jwk)];
    const { jwt, clock } = await signedGate({ issuers: [app.issuer] });
    const tokens = await Promise.all(
      [...Array(100).keys()].map(async (i) => app.sign({}, await newJwk('EdDSA', `k${i}`))),
    );
    await Promise.all(tokens.map((token) => jwt.verify(token)));
    expect(jwks.state.asked).toBe(1);
    clock.now += 11_000;
    await Promise.all(tokens.map((token) => jwt.verify(token)));
    expect(jwks.state.asked).toBe(2);
  });
});

describe('hostile JWT: shape', () => {
  test('a token has at most 4000 characters', async () => {
    const { app, codeOf } = await raw();
    const key = await importJWK(app.jwk, 'EdDSA');
    const lengths = new Map<number, string>();
    for (let pad = 0; pad <= 400; pad += 1) {
      const who = { iss: app.issuer.issuer, aud: [app.issuer.audience, 'x'.repeat(2400 + pad)] };
      const token = await new SignJWT({
        ...who,
        path: '/download/reports/a',
        iat: START,
        exp: START + 120,
        jti: '1',
      })
        .setProtectedHeader({ alg: 'EdDSA', kid: 'app 1', typ: 'postern+jwt' })
        .sign(key);
      lengths.set(token.length, token);
    }
    expect(
      [...lengths.keys()].filter((length) => Math.abs(length - 4000) < 3).length,
    ).toBeGreaterThan(2);
    for (const [length, token] of lengths) {
      if (Math.abs(length - 4000) > 8) continue;
      expect([length, await codeOf(uri(token))]).toEqual([
        length,
        length <= 4000 ? 'allow' : 'missing_token',
      ]);
    }
  });

  test('in a path: its dots are not dot segments, and the rest of the path is checked', async () => {
    const { app, codeOf } = await trusting({ paths: [{ prefix: '/download/' }] });
    const token = await app.sign({ path: undefined, prefix: '/download/reports/' });
    expect(await codeOf(`/download/~${token}/reports/a`)).toBe('allow');
    for (const rest of [
      '/../secret',
      '/reports/../secret',
      '/reports/%2e%2e/x',
      '/./reports/a',
      '//reports/a',
      '/reports%2fa',
      '/..',
      '/reports/a%00',
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
