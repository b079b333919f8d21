import { createPrivateKey, createPublicKey, sign as signBytes } from 'node:crypto';
import type { JWK } from 'jose';
import { afterAll, describe, expect, test } from 'vitest';
import { newToken } from '../../service/token/token.ts';
import { compact, from, hs256, newJwk, partsOf, uri as uriOf } from './issuers.ts';
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
const uri = (token: string) => uriOf(token, '/download/a');

test('hostile JWT: the unchanged token is accepted', async () => {
  expect(await codeOf(uri(good))).toBe('allow');
  expect(await codeOf(uri(compact(header, payload, bySelf)))).toBe('allow');
});

describe('hostile JWT: a header that selects how the token is verified', async () => {
  const stranger = createPrivateKey({ key: (await newJwk('EdDSA', '0')) as never, format: 'jwk' });
  const byStranger = (input: string) => signBytes(null, Buffer.from(input), stranger);
  const { x } = createPublicKey(stranger).export({ format: 'jwk' });
  const pem = createPublicKey(key).export({ type: 'spki', format: 'pem' }) as string;
  const bytes = Buffer.from(eddsa.x ?? '', 'base64url');

  test.each<object | string>([
    ...[{ alg: 'none' }, { alg: ['EdDSA'] }, { alg: 'EdDSA ' }, { alg: 'eddsa' }],
    { alg: 'Ed25519' },
    // The alg or the kid of another key.
    ...[{ alg: 'ES256' }, { kid: '1' }],
    ...[{ kid: '../../own' }, { kid: "0' OR '1'='1" }, { kid: 0 }, { kid: ['0'] }, { kid: '0\0' }],
    ...[{ kid: '__proto__' }, { crit: ['exp'] }, { crit: 'b64' }, { crit: [] }],
    ...[
      { crit: ['toString'], toString: 1 },
      { crit: ['b64'], b64: false },
      { crit: ['b64'], b64: true },
    ],
    { alg: 'dir', enc: 'A128GCM', zip: 'DEF' },
    '{"kid":"0","typ":"postern+jwt"}',
    '{"alg":"EdDSA","typ":"postern+jwt"}',
    '{"alg":"none","alg":"HS256","kid":"0","typ":"postern+jwt"}',
    '{"__proto__":{"alg":"EdDSA"},"kid":"0","typ":"postern+jwt"}',
  ])('%j', async (change) => {
    const head = typeof change === 'string' ? change : { ...header, ...change };
    expect(await codeOf(uri(compact(head, payload, bySelf)))).toBe('invalid_token');
  });

  test.each<[string, object, (input: string) => Buffer | string]>([
    ['alg none without a signature', { alg: 'none' }, () => 'A'],
    ['alg nOnE', { alg: 'nOnE' }, () => goodSignature],
    ['HS256 by the public key as PEM', { alg: 'HS256' }, hs256(pem)],
    ['HS256 by the public key as bytes', { alg: 'HS256' }, hs256(bytes)],
    ['HS256 by an empty secret', { alg: 'HS256', kid: '2' }, hs256('')],
    ['jwk of a stranger', { jwk: { kty: 'OKP', crv: 'Ed25519', x } }, byStranger],
    ['jku of a stranger', { jku: 'http://127.0.0.1:9/' }, byStranger],
    ['x5u of a stranger', { x5u: 'http://127.0.0.1:9/' }, byStranger],
    ['x5c of a stranger', { x5c: [x] }, byStranger],
  ])('%s', async (_, change, by) => {
    expect(await codeOf(uri(compact({ ...header, ...change }, payload, by)))).toBe('invalid_token');
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

  test.each([
    ...[{ typ: 'JWT' }, { typ: 'at+jwt' }, { typ: '' }, { typ: 'postern' }],
    { typ: 'postern+jwt2' },
    ...[{ typ: 'postern+jwt;a=b' }, { typ: 'poſtern+jwt' }, { typ: ['postern+jwt'] }],
    '{"alg":"EdDSA","kid":"0"}',
    '{"alg":"EdDSA","kid":"0","typ":"postern+jwt","typ":"at+jwt"}',
  ])('%j is for another application: the token is not accepted', async (change) => {
    const head = typeof change === 'string' ? change : { ...header, ...change };
    const isList = typeof change === 'object' && Array.isArray(change.typ);
    const code = isList ? 'invalid_token' : 'missing_token';
    expect(await codeOf(uri(compact(head, payload, bySelf)))).toBe(code);
  });

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
    const head = compact('{"typ":"postern+jwt"', payload, bySelf);
    expect(await codeOf(uri(head))).toBe('missing_token');
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
    expect(await codeOf(uri(one.access_token), from('192.0.2.1'))).toBe('allow');
    for (const twin of twins(one.access_token)) {
      expect(await codeOf(uri(twin), from('192.0.2.2'))).toBe('invalid_token');
    }
  });

  test('a second signature of the same claims is the same token', async () => {
    const one = await issue({ path: '/download/a', max_uses: 1 });
    const [, claims] = partsOf(one.access_token);
    const secret = Buffer.from(hs.k ?? '', 'base64url');
    const twin = compact({ alg: 'HS256', kid: '2', typ: 'postern+jwt' }, claims, hs256(secret));
    expect(await codeOf(uri(twin), from('192.0.2.1'))).toBe('allow');
    expect(await codeOf(uri(one.access_token), from('192.0.2.2'))).toBe('invalid_token');
  });

  test('padding is malformed', async () => {
    expect(await codeOf(uri(`${good}=`))).toBe('missing_token');
    expect(await codeOf(uri(`${good}%3D`))).toBe('missing_token');
  });
});

test('hostile JWT: a download token is not accepted as an API key', async () => {
  const { access_token: token } = await issue({ path: '/download/a' });
  const json = { path: '/download/a' };
  for (const key of [token, good, newToken()]) {
    expect((await ask('POST /tokens', { key, json })).status).toBe(401);
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
