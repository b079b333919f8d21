import { generateKeyPairSync } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { JWK } from 'jose';
import { describe, expect, test } from 'vitest';
import type { TrustedIssuer } from '../../service/jwt/issuers.ts';
import { KeyFilesError } from '../../service/jwt/jwt.ts';
import { keptLog } from '../support/ask-api.ts';
import {
  endpoint,
  foreigner,
  from,
  newJwk,
  publicHalf,
  START,
  uri,
} from '../support/jwt/issuers.ts';
import { signedGate, trustingRemote } from '../support/jwt/signed.ts';

test.each<[string, Partial<TrustedIssuer>, object]>([
  ['an algorithm that the issuer may not use', { algorithms: ['ES256'] }, {}],
  ['a shared secret as a public key', {}, { kty: 'oct', k: 'A'.repeat(43) }],
])('JWT, external: a key file with %s is not opened', async (_, more, change) => {
  const app = await foreigner('app', more);
  const text = JSON.stringify({ keys: [{ ...publicHalf(app.jwk), ...change }] });
  const opening = signedGate({ issuers: [app.issuer], files: { app: text } });
  await expect(opening).rejects.toThrow(KeyFilesError);
});

test('JWT, external: a key that is too short is rejected at the start, or never accepted', async () => {
  const pair = generateKeyPairSync('rsa', { modulusLength: 1024 });
  const jwk = { ...pair.publicKey.export({ format: 'jwk' }), kid: 'short', alg: 'RS256' };
  const app = await foreigner('app');
  const files = { app: JSON.stringify({ keys: [jwk] }) };
  const opened = await signedGate({ issuers: [app.issuer], files }).catch(() => undefined);
  const token = await app.sign({}, await newJwk('RS256', 'short'));
  // Undefined: the key is rejected at the start.
  expect(await opened?.codeOf(uri(token))).toBeOneOf([undefined, 'invalid_token']);
});

describe('JWT, external: keys at a jwks_uri', () => {
  test('are fetched once, stay valid while the endpoint is down, and are updated afterwards', async () => {
    const { jwks, app, codeOf, clock, failures } = await trustingRemote();
    for (let i = 0; i < 5; i += 1) expect(await codeOf(uri(await app.sign()))).toBe('allow');
    expect(jwks.state.asked).toBe(1);

    await jwks.stop();
    const next = await newJwk('ES256', 'app 2');
    expect(await codeOf(uri(await app.sign()))).toBe('allow');
    clock.now += 10_000;
    expect(await codeOf(uri(await app.sign({}, next)))).toBe('unavailable');
    expect(await codeOf(uri(await app.sign({}, next)))).toBe('unavailable');
    expect(failures).toHaveLength(1);
    // The keys are old, but no newer ones are available.
    clock.now += 90_000;
    expect(await codeOf(uri(await app.sign()))).toBe('allow');

    await jwks.start();
    clock.now += 5_000;
    jwks.state.keys = [publicHalf(app.jwk), publicHalf(next)];
    expect(await codeOf(uri(await app.sign({}, next)))).toBe('allow');
  });

  test('an endpoint that never answered makes tokens unavailable, and is not asked for each request', async () => {
    const { jwks, app, codeOf, clock } = await trustingRemote();
    jwks.state.status = 500;
    for (let i = 0; i < 10; i += 1) expect(await codeOf(uri(await app.sign()))).toBe('unavailable');
    expect(jwks.state.asked).toBe(1);
    jwks.state.status = 200;
    clock.now += 5_000;
    expect(await codeOf(uri(await app.sign()))).toBe('allow');
  });

  test('an algorithm that is not allowed for the issuer is rejected', async () => {
    const { app, codeOf } = await trustingRemote({ algorithms: ['ES256'] });
    expect(await codeOf(uri(await app.sign()))).toBe('invalid_token');
  });
});

describe('jwks_uri: an endpoint that answers 200 without keys', () => {
  test.each<[string, Parameters<typeof endpoint>[0]]>([
    ['a page', (response) => response.end('<!doctype html><title>Maintenance</title>')],
    ['no key set', (response) => response.end('{"error":"maintenance"}')],
    ['204', (response) => response.writeHead(204).end()],
    ['a body that never ends', (response) => void response.writeHead(200).write('{"keys":[')],
  ])('%s: counts as unavailable and is logged', async (_, answer) => {
    const { app, codeOf, failures } = await trustingRemote({}, answer);
    expect([await codeOf(uri(await app.sign())), failures.length]).toEqual(['unavailable', 1]);
  });

  test('a response without an end is not read completely', async () => {
    let sent = 0;
    const { app, codeOf } = await trustingRemote({}, (response) => {
      response.writeHead(200);
      const spaces = Buffer.alloc(1 << 20, ' ');
      const more = () => {
        while (!response.destroyed && sent < 400 << 20) {
          sent += spaces.length;
          if (!response.write(spaces)) return response.once('drain', more);
        }
      };
      more();
    });
    await codeOf(uri(await app.sign()));
    expect(sent).toBeLessThan(32 << 20);
  });
});

test('jwks_uri: a key that was removed is not accepted', async () => {
  const { jwks, app, codeOf, clock } = await trustingRemote();
  expect(await codeOf(uri(await app.sign()))).toBe('allow');
  // The key leaked, and the issuer withdrew it. No request came until the attacker's, hours later.
  jwks.state.keys = [publicHalf(await newJwk('EdDSA', 'app 2'))];
  clock.now += 86_400_000;
  const forged = await app.sign({ iat: START + 86_400, exp: START + 86_500 });
  expect(await codeOf(uri(forged), from('192.0.2.66'))).toBe('invalid_token');
});

test('jwks_uri: after a failed refresh, keys are fetched in the background, and a removed key ends in 15 minutes', async () => {
  const held: ServerResponse[] = [];
  const { jwks, app, codeOf, clock } = await trustingRemote({}, (response) => held.push(response));
  const signed = async () => {
    const iat = clock.now / 1000;
    return codeOf(uri(await app.sign({ iat, exp: iat + 100 })));
  };
  const answer = async (status: number, ...keys: JWK[]) => {
    await expect.poll(() => held.length, { message: 'a request for the keys' }).toBeGreaterThan(0);
    held.shift()?.writeHead(status).end(JSON.stringify({ keys }));
  };
  const first = signed();
  await answer(200, publicHalf(app.jwk));
  expect(await first).toBe('allow');

  // The issuer withdraws the key, but its endpoint fails.
  clock.now += 540_001;
  const refreshed = signed();
  await answer(500);
  expect(await refreshed).toBe('allow');
  clock.now += 4_999;
  expect([await signed(), jwks.state.asked]).toEqual(['allow', 2]);
  clock.now += 1;
  // No request waits for a response.
  expect([await signed(), await signed()]).toEqual(['allow', 'allow']);
  await answer(200, publicHalf(await newJwk('EdDSA', 'app 2')));
  await expect.poll(() => signed(), { message: 'the new keys' }).toBe('invalid_token');
  expect(jwks.state.asked).toBe(3);
});

test('jwks_uri: a minute after a failed refresh without requests, the next one waits for the keys', async () => {
  const { jwks, app, codeOf, clock } = await trustingRemote();
  const token = await app.sign({ exp: START + 600 });
  expect(await codeOf(uri(token))).toBe('allow');
  jwks.state.status = 500;
  clock.now += 540_001;
  expect(await codeOf(uri(token))).toBe('allow');
  jwks.state.status = 200;
  jwks.state.keys = [publicHalf(await newJwk('EdDSA', 'app 2'))];
  clock.now += 60_001;
  const forged = await app.sign({ iat: START + 600, exp: START + 700 });
  expect(await codeOf(uri(forged))).toBe('invalid_token');
});

test('jwks_uri: after a reload the keys are fetched again, and known ones stay valid while the endpoint is down', async () => {
  const options = { fetchedKeys: new Map() };
  const { jwks, app, codeOf } = await trustingRemote({}, undefined, options);
  const reloaded = () => signedGate({ issuers: [app.issuer], ...options });
  const url = uri(await app.sign());
  expect(await codeOf(url)).toBe('allow');
  jwks.state.status = 500;
  expect(await (await reloaded()).codeOf(url)).toBe('allow');
  expect(jwks.state.asked).toBe(2);
  jwks.state.status = 200;
  jwks.state.keys = [publicHalf(await newJwk('EdDSA', 'app 2'))];
  expect(await (await reloaded()).codeOf(url)).toBe('invalid_token');
});

test('jwks_uri: after the clock is set back, keys are fetched at once', async () => {
  const { jwks, app, codeOf, clock } = await trustingRemote();
  const early = { iat: START - 3600, exp: START - 3000 };
  jwks.state.status = 500;
  expect(await codeOf(uri(await app.sign()))).toBe('unavailable');
  clock.now -= 3_600_000;
  jwks.state.status = 200;
  jwks.state.keys = [publicHalf(app.jwk)];
  const token = await app.sign(early);
  expect(await codeOf(uri(token))).toBe('allow');

  // A verified token is not remembered for longer, either.
  clock.now -= 1000;
  jwks.state.keys = [publicHalf(await newJwk('EdDSA', 'app 2'))];
  expect(await codeOf(uri(token), from('192.0.2.66'))).toBe('invalid_token');
});

test('jwks_uri: the reason of a failure is logged without a secret in the URL', async () => {
  const app = await foreigner('app', { keys: { uri: 'http://127.0.0.1:9/jwks?key=secret' } });
  const { log, lines } = keptLog('error');
  const { codeOf, failures } = await signedGate({ issuers: [app.issuer], log });
  expect(await codeOf(uri(await app.sign()))).toBe('unavailable');
  expect(failures.join()).toMatch(/ECONNREFUSED|bad port/);
  expect(lines.join()).not.toContain('secret');
});

describe('jwks_uri: hostile keys', () => {
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
