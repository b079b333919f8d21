import { createPrivateKey, createPublicKey, sign as signBytes } from 'node:crypto';
import type { JWK } from 'jose';
import { afterAll, describe, expect, test } from 'vitest';
import { newToken } from '../../service/token/token.ts';
import { compact, hs256, newJwk, partsOf } from './issuers.ts';
import { signedGate } from './signed.ts';

const { issue, codeOf, files, ask, jwt } = await signedGate(
  { algorithms: ['EdDSA', 'ES256', 'HS256'] },
  afterAll,
);
const [eddsa, , hs] = JSON.parse(files.own ?? '').keys as [JWK, JWK, JWK];
const key = createPrivateKey({ key: eddsa as never, format: 'jwk' });
const bySelf = (input: string) => signBytes(null, Buffer.from(input), key);
const { access_token: good } = await issue({ path: '/download/a', revocable: false });
const [goodHeader, goodPayload, goodSignature] = partsOf(good);
const header = JSON.parse(goodHeader);
const payload = JSON.parse(goodPayload);
const uri = (token: string) => `/download/a?token=${token}`;

test('hostile JWT: the unchanged token is accepted', async () => {
  expect(await codeOf(uri(good))).toBe('allow');
  expect(await codeOf(uri(compact(header, payload, bySelf)))).toBe('allow');
});

describe('hostile JWT: a header that selects how the token is verified', () => {
  const pem = createPublicKey(key).export({ type: 'spki', format: 'pem' }) as string;
  const stranger = newJwk('EdDSA', '0');
  const none = () => '';
  const tokens: Array<[string, () => string | Promise<string>]> = [
    ['alg none, an empty one', () => `${compact({ ...header, alg: 'none' }, payload, none)}A`],
    ['alg none, with a signature', () => compact({ ...header, alg: 'none' }, payload, bySelf)],
    ['alg nOnE', () => compact({ ...header, alg: 'nOnE' }, payload, () => goodSignature)],
    ['no alg', () => compact({ ...header, alg: undefined }, payload, bySelf)],
    ['a list of algs', () => compact({ ...header, alg: ['EdDSA'] }, payload, bySelf)],
    [
      'HS256 by the public key as PEM',
      () => compact({ ...header, alg: 'HS256' }, payload, hs256(pem)),
    ],
    [
      'HS256 by the public key as bytes',
      () =>
        compact(
          { ...header, alg: 'HS256' },
          payload,
          hs256(Buffer.from(eddsa.x ?? '', 'base64url')),
        ),
    ],
    [
      'HS256 by an empty secret',
      () => compact({ ...header, alg: 'HS256', kid: '2' }, payload, hs256('')),
    ],
    ['another key’s alg', () => compact({ ...header, alg: 'ES256' }, payload, bySelf)],
    ['another key’s kid', () => compact({ ...header, kid: '1' }, payload, bySelf)],
    ['no kid', () => compact({ ...header, kid: undefined }, payload, bySelf)],
    ['a kid that is a path', () => compact({ ...header, kid: '../../own' }, payload, bySelf)],
    ['a kid that is SQL', () => compact({ ...header, kid: "0' OR '1'='1" }, payload, bySelf)],
    ['a kid that is not text', () => compact({ ...header, kid: 0 }, payload, bySelf)],
    ['a kid of the prototype', () => compact({ ...header, kid: '__proto__' }, payload, bySelf)],
    ['crit', () => compact({ ...header, crit: ['exp'] }, payload, bySelf)],
    ['crit b64', () => compact({ ...header, crit: ['b64'], b64: false }, payload, bySelf)],
    ['crit with b64', () => compact({ ...header, crit: ['b64'], b64: true }, payload, bySelf)],
  ];
  for (const claim of ['jwk', 'jku', 'x5u', 'x5c'] as const) {
    tokens.push([
      `${claim} of a stranger`,
      async () => {
        const jwk = await stranger;
        const own = createPrivateKey({ key: jwk as never, format: 'jwk' });
        const value = { jwk, jku: 'http://127.0.0.1:9/', x5u: 'http://127.0.0.1:9/', x5c: [jwk.x] }[
          claim
        ];
        const by = (input: string) => signBytes(null, Buffer.from(input), own);
        return compact({ ...header, [claim]: value }, payload, by);
      },
    ]);
  }
  test.each(tokens)('%s', async (_, make) => {
    expect(await codeOf(uri(await make()))).toBe('invalid_token');
  });
});

describe('hostile JWT: a signed token that is not for Postern', () => {
  const secondsFromNow = (seconds: number) => 1_800_000_000 + seconds;
  test.each<[string, object]>([
    ['another issuer', { iss: 'https://other.example' }],
    ['an issuer with an additional slash', { iss: 'https://files.example/' }],
    ['no issuer', { iss: undefined }],
    ['another audience', { aud: 'https://api.example' }],
    ['no audience', { aud: undefined }],
    ['an expired token', { exp: secondsFromNow(0) }],
    ['a token that is not yet valid', { nbf: secondsFromNow(6), iat: secondsFromNow(6) }],
    ['no end', { exp: undefined }],
    ['an end that is not a number', { exp: '9999999999' }],
    ['an end that is null', { exp: null }],
    ['no id', { jti: undefined }],
    ['an id that is not text', { jti: 1 }],
    ['an empty id', { jti: '' }],
    ['an id with a NUL', { jti: 'a\0b' }],
    ['no client', { client_id: undefined }],
    ['a path and a prefix', { prefix: '/download/' }],
    ['neither path nor prefix', { path: undefined }],
    ['a folder for a path', { path: '/download/' }],
    ['an unknown claim', { max_use: 1 }],
    ['revocable, without a record in the store', { revocable: true }],
    ['revocable by default, without a record in the store', { revocable: undefined }],
    ['max_uses, without a record in the store', { max_uses: 1 }],
    ['resume_for, without a record in the store', { resume_for: 60 }],
  ])('%s', async (_, more) => {
    const token = compact(header, { ...payload, ...more }, bySelf);
    expect(await codeOf(uri(token))).toBe('invalid_token');
  });

  test('a small clock difference is tolerated for nbf', async () => {
    const early = { nbf: secondsFromNow(5), iat: secondsFromNow(5), exp: secondsFromNow(60) };
    expect(await codeOf(uri(compact(header, { ...payload, ...early }, bySelf)))).toBe('allow');
  });

  test.each(['JWT', 'at+jwt', undefined, '', 'postern', 'postern+jwt2', ['postern+jwt']])(
    'typ %j is for another application: the token is not accepted',
    async (typ) => {
      const token = compact({ ...header, typ }, payload, bySelf);
      const code = Array.isArray(typ) ? 'invalid_token' : 'missing_token';
      expect(await codeOf(uri(token))).toBe(code);
    },
  );

  test.each(['POSTERN+JWT', 'application/postern+jwt'])('typ %j is accepted', async (typ) => {
    expect(await codeOf(uri(compact({ ...header, typ }, payload, bySelf)))).toBe('allow');
  });
});

describe('hostile JWT: malformed bytes', () => {
  test('a token that is cut off at any place', async () => {
    for (let length = 0; length < good.length; length += 7) {
      expect(await codeOf(uri(good.slice(0, length)))).toMatch(/^(missing|invalid)_token$/);
    }
  });

  test('one changed character at any place', async () => {
    for (let at = 0; at < good.length - 1; at += 11) {
      const other = good[at] === 'A' ? 'B' : 'A';
      const changed = good.slice(0, at) + other + good.slice(at + 1);
      expect(await codeOf(uri(changed))).toMatch(/^(missing|invalid)_token$/);
    }
  });

  test.each([11_000, 4_000])('a file name of %i characters', async (length) => {
    const pad = 'x'.repeat(length);
    const token = compact(header, { ...payload, filename: pad }, bySelf);
    expect(await codeOf(uri(token))).toBe('missing_token');
  });

  test('no signature', async () => {
    const token = compact({ ...header, alg: 'none' }, payload, () => '');
    expect(await codeOf(uri(token))).toBe('missing_token');
  });

  test('a header or payload that is not JSON', async () => {
    expect(await codeOf(uri(compact('{"typ":"postern+jwt"', payload, bySelf)))).toBe(
      'missing_token',
    );
    expect(await codeOf(uri(compact(header, '{"iss":', bySelf)))).toBe('invalid_token');
    expect(await codeOf(uri(compact(header, '{"', bySelf)))).toBe('invalid_token');
  });

  test('the last one of two equal keys counts, as for the issuer', async () => {
    const twice = (first: string, last: string) =>
      `${JSON.stringify({ ...payload, path: undefined }).slice(0, -1)},"path":"${first}","path":"${last}"}`;
    const token = compact(header, twice('/download/b', '/download/a'), bySelf);
    expect(await codeOf(uri(token))).toBe('allow');
    const other = compact(header, twice('/download/a', '/download/b'), bySelf);
    expect(await codeOf(uri(other))).toBe('insufficient_scope');
  });

  test('NUL in a path', async () => {
    const token = compact(header, { ...payload, path: '/download/a\0.txt' }, bySelf);
    expect(await codeOf(uri(token))).toBe('insufficient_scope');
  });
});

describe('hostile JWT: other encodings of a token that verify too', () => {
  /** The last character of a signature of 64 bytes has four unused bits. */
  function twins(token: string): string[] {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const last = alphabet.indexOf(token.at(-1) ?? '');
    const same = [...Array(16).keys()].map((low) => alphabet[(last & 0b110000) | low] ?? '');
    return same.map((end) => token.slice(0, -1) + end).filter((twin) => twin !== token);
  }

  test('are revoked with the token', async () => {
    const one = await issue({ path: '/download/a' });
    const others = twins(one.access_token);
    const codes = await Promise.all(others.map((twin) => codeOf(uri(twin))));
    await ask('POST /revoke', { form: { token: one.access_token } });
    for (const twin of [one.access_token, ...others]) {
      expect(await codeOf(uri(twin))).toBe('invalid_token');
    }
    // The library decides whether they verify.
    expect(codes.every((code) => code === 'allow' || code === 'invalid_token')).toBe(true);
  });

  test('take no second use', async () => {
    const one = await issue({ path: '/download/a', max_uses: 1 });
    expect(await codeOf(uri(one.access_token), { 'X-Real-IP': '192.0.2.1' })).toBe('allow');
    for (const twin of twins(one.access_token)) {
      expect(await codeOf(uri(twin), { 'X-Real-IP': '192.0.2.2' })).toBe('invalid_token');
    }
  });

  test('a second signature of the same claims is the same token', async () => {
    const one = await issue({ path: '/download/a', max_uses: 1 });
    const [, claims] = partsOf(one.access_token);
    const secret = Buffer.from(hs.k ?? '', 'base64url');
    const twin = compact({ alg: 'HS256', kid: '2', typ: 'postern+jwt' }, claims, hs256(secret));
    expect(await codeOf(uri(twin), { 'X-Real-IP': '192.0.2.1' })).toBe('allow');
    expect(await codeOf(uri(one.access_token), { 'X-Real-IP': '192.0.2.2' })).toBe('invalid_token');
  });

  test('padding is malformed', async () => {
    expect(await codeOf(uri(`${good}=`))).toBe('missing_token');
    expect(await codeOf(uri(`${good}%3D`))).toBe('missing_token');
  });
});

test('hostile JWT: a download token is not accepted as an API key', async () => {
  const { access_token: token } = await issue({ path: '/download/a' });
  for (const credential of [token, good, newToken()]) {
    expect(
      (await ask('POST /tokens', { key: credential, json: { path: '/download/a' } })).status,
    ).toBe(401);
  }
});

test('hostile JWT: /.well-known publishes public keys and no secret', async () => {
  const { status, body, text, headers } = await ask('GET /.well-known/jwks.json', { key: '' });
  expect([status, headers.get('content-type')]).toEqual([200, 'application/jwk-set+json']);
  expect(body).toEqual(jwt.publicJwks());
  expect(body.keys.map(({ kid, alg, use }: JWK) => [kid, alg, use])).toEqual([
    ['0', 'EdDSA', 'sig'],
    ['1', 'ES256', 'sig'],
  ]);
  for (const secret of [eddsa.d, hs.k]) expect(text).not.toContain(secret);
  expect(text).not.toMatch(/"(d|k)"/);
});
