import { createPrivateKey, createPublicKey, type KeyObject, sign as signBytes } from 'node:crypto';
import type { JWK } from 'jose';
import { afterAll, describe, expect, test } from 'vitest';
import { newToken } from '../../service/token/token.ts';
import { linesOf } from '../support/fixtures.ts';
import {
  compact,
  foreigner,
  from,
  hs256,
  newJwk,
  partsOf,
  START,
  uri as uriOf,
} from '../support/jwt/issuers.ts';
import { signedGate } from '../support/jwt/signed.ts';

const app = await foreigner('app', { client: 'test' });
const { issue, codeOf, files, ask } = await signedGate(
  { algorithms: ['EdDSA', 'ES256', 'HS256'], issuers: [app.issuer], files: app.file },
  afterAll,
);
const [eddsa, , hs] = JSON.parse(files.own ?? '').keys as [JWK, JWK, JWK];
const key = createPrivateKey({ key: eddsa as never, format: 'jwk' });
const by = (signer: KeyObject) => (input: string) => signBytes(null, Buffer.from(input), signer);
const bySelf = by(key);
const { access_token: good } = await issue({ path: '/download/a', revocable: false });
const [goodHeader, goodPayload, goodSignature] = partsOf(good);
const header = JSON.parse(goodHeader);
const payload = JSON.parse(goodPayload);
const uri = (token: string) => uriOf(token, '/download/a');

/** A token of another issuer, with any payload. */
const byApp = by(createPrivateKey({ key: app.jwk as never, format: 'jwk' }));
const make = (content: object | string) => compact({ ...header, kid: 'app 1' }, content, byApp);
const { issuer: iss, audience: aud } = app.issuer;
const times = { iat: START, exp: START + 120, jti: '1' };
const claims = { iss, aud, path: '/download/reports/a', ...times };

test('JWT, hostile: the unchanged token is accepted', async () => {
  expect(await codeOf(uri(good))).toBe('allow');
  expect(await codeOf(uri(compact(header, payload, bySelf)))).toBe('allow');
  expect(await codeOf(uriOf(make(claims)))).toBe('allow');
});

describe('JWT, hostile: a header that selects how the token is verified', async () => {
  const stranger = createPrivateKey({ key: (await newJwk('EdDSA', '0')) as never, format: 'jwk' });
  const byStranger = by(stranger);
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

describe('JWT, hostile: a token with the keys of Postern and wrong claims', () => {
  const secondsFromNow = (seconds: number) => 1_800_000_000 + seconds;
  test.each<[string, object[]]>([
    [
      'another issuer or none',
      [{ iss: 'https://other.example' }, { iss: 'https://files.example/' }, { iss: undefined }],
    ],
    ['another audience or none', [{ aud: 'https://api.example' }, { aud: undefined }]],
    ['an expired token', [{ exp: secondsFromNow(0) }]],
    ['a token that is not yet valid', [{ nbf: secondsFromNow(6), iat: secondsFromNow(6) }]],
    ['an end that is no number', [{ exp: undefined }, { exp: '9999999999' }, { exp: null }]],
    ['an id that is no text', [{ jti: undefined }, { jti: 1 }, { jti: '' }, { jti: 'a\0b' }]],
    ['no client', [{ client_id: undefined }]],
    ['neither or both of path and prefix', [{ path: undefined }, { prefix: '/download/' }]],
    ['a folder for a path', [{ path: '/download/' }]],
    ['an unknown claim', [{ max_use: 1 }]],
    ['revocable, without a record in the store', [{ revocable: true }, { revocable: undefined }]],
    ['uses, without a record in the store', [{ max_uses: 1 }, { resume_for: 60 }]],
  ])('%s', async (_, changes) => {
    for (const more of changes) {
      const token = compact(header, { ...payload, ...more }, bySelf);
      expect(await codeOf(uri(token)), JSON.stringify(more)).toBe('invalid_token');
    }
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

describe('JWT, hostile: malformed bytes', () => {
  test('a token that is cut off, or has one changed character, at any place', async () => {
    for (let at = 0; at < good.length - 1; at += 11) {
      const start = good.slice(0, at);
      for (const token of [start, start + (good[at] === 'A' ? 'B' : 'A') + good.slice(at + 1)]) {
        expect(await codeOf(uri(token)), token).toMatch(/^(missing|invalid)_token$/);
      }
    }
  });

  test('no signature, and a header or payload that is not JSON', async () => {
    const unsigned = compact({ ...header, alg: 'none' }, payload, () => '');
    expect(await codeOf(uri(unsigned))).toBe('missing_token');
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

describe('JWT, hostile: other encodings of a token that verify too', () => {
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

test('JWT, hostile: a download token is not accepted as an API key', async () => {
  const { access_token: token } = await issue({ path: '/download/a' });
  const json = { path: '/download/a' };
  for (const key of [token, good, newToken()]) {
    expect((await ask('POST /tokens', { key, json })).status).toBe(401);
  }
});

describe('JWT, hostile: claims of any shape of another issuer', () => {
  const text = JSON.stringify(claims);
  test.each([
    ...linesOf('hostile-claims.txt').map((more) => `${text.slice(0, -1)},${more.slice(1)}`),
    JSON.stringify({ ...claims, jti: 'x'.repeat(257) }),
    // A list, a text, a BOM, and more text after the payload.
    ...[JSON.stringify([claims]), JSON.stringify(text), `\ufeff${text}`, `${text}{}`],
  ])('%s', async (payload) => {
    expect(await codeOf(uriOf(make(payload)))).toMatch(/^(invalid|missing)_token$/);
    const object: Record<string, unknown> = {};
    expect(object.x ?? object.max_uses).toBeUndefined();
  });
});

describe('JWT, hostile: shape', () => {
  test('a token has at most 4000 characters', async () => {
    const tokens = [...Array(400).keys()]
      .map((pad) => make({ ...claims, aud: [aud, 'x'.repeat(2400 + pad)] }))
      .filter(({ length }) => Math.abs(length - 4000) <= 8);
    const near = new Set(tokens.map(({ length }) => length).filter((n) => Math.abs(n - 4000) < 3));
    expect(near.size).toBeGreaterThan(2);
    for (const token of tokens) {
      const code = token.length <= 4000 ? 'allow' : 'missing_token';
      expect([token.length, await codeOf(uriOf(token))]).toEqual([token.length, code]);
    }
  });

  test('in a path: its dots are not dot segments, and the rest of the path is checked', async () => {
    const token = await app.sign({ path: undefined, prefix: '/download/reports/' });
    expect(await codeOf(`/download/~${token}/reports/a`)).toBe('allow');
    for (const rest of [
      ...['/../secret', '/reports/../secret', '/reports/%2e%2e/x', '/./reports/a'],
      ...['//reports/a', '/reports%2fa', '/..', '/reports/a%00'],
    ]) {
      expect(await codeOf(`/download/~${token}${rest}`)).toBe('invalid_request');
    }
    for (const [path, code] of [
      [`/download/reports/~${token}/a`, 'missing_token'],
      [`/download/~${token.replace('.', '%2e')}/reports/a`, 'invalid_request'],
      [`/download/~${token}/reports/a?token=${token}`, 'invalid_request'],
      [`/download/~~${token}/reports/a`, 'missing_token'],
      [`/download/~${token}./reports/a`, 'missing_token'],
      [`/download/~${token}`, 'path_is_folder'],
      [`/download/~${token};x/reports/a`, 'missing_token'],
    ] as const) {
      expect([path.length, await codeOf(path)]).toEqual([path.length, code]);
    }
  });
});
