import { describe, expect, test } from 'vitest';
import { startRedis } from '../../harness/redis.ts';
import { openRedis } from '../../store/open-redis.ts';
import { foreigner, from, START, uri } from '../foreigner.ts';
import { newJwk } from '../keys.ts';
import { signedGate } from '../signed-gate.ts';

async function owned(more: object = {}, leeway = 5) {
  const app = await foreigner('app', { client: 'test', ...more });
  return { app, ...(await signedGate({ issuers: [app.issuer], files: app.file, leeway })) };
}

describe('external JWT: start_by of a token that does not distinguish requesters', () => {
  // start_by limits it to max_expires_in, and it would open for every client until exp.
  test.each<[string, object]>([
    ['without other claims', {}],
    ['with resume_for: 0', { resume_for: 0 }],
  ])('does not exceed the maximum of the issuer, %s', async (_, more) => {
    const { app, codeOf, clock } = await owned();
    const token = await app.sign({ start_by: START + 600, exp: START + 1200, ...more });
    clock.now += 1_100_000;
    expect(await codeOf(uri(token))).toBe('invalid_token');
  });

  test('limits the token, or the token is rejected', async () => {
    const { app, codeOf, clock } = await owned();
    const token = await app.sign({ start_by: START + 60, exp: START + 120 });
    clock.now += 61_000;
    expect(await codeOf(uri(token), from('192.0.2.9'))).toBe('invalid_token');
  });
});

/** Redis forgets by its own clock, which is the real one. */
const NOW = Math.floor(Date.now() / 1000);

describe('external JWT: times with a fraction, with Redis', () => {
  async function overRedis() {
    const redis = await startRedis();
    const store = await openRedis(redis, { now: () => NOW * 1000 });
    const app = await foreigner('app', { client: 'test' });
    const gate = await signedGate({ issuers: [app.issuer], files: app.file, store });
    gate.clock.now = NOW * 1000;
    return { ...gate, app, redis };
  }

  test('the token is used', async () => {
    const { app, codeOf, redis } = await overRedis();
    const times = { iat: NOW - 0.123457, exp: NOW + 99.876543 };
    const code = await codeOf(uri(await app.sign({ ...times, max_uses: 1 })), from('192.0.2.1'));
    await redis.stop();
    expect(code).toBe('allow');
  });

  test('the token is revoked', async () => {
    const { app, ask, codeOf, redis } = await overRedis();
    const token = await app.sign({ iat: NOW - 0.123457, exp: NOW + 99.876543 });
    const { status } = await ask('POST /revoke', { form: { token } });
    const code = await codeOf(uri(token));
    await redis.stop();
    expect([status, code]).toEqual([200, 'invalid_token']);
  });
});

test('external JWT: with Redis no requester starts after start_by', async () => {
  const redis = await startRedis();
  const clock = { now: NOW * 1000 };
  const store = await openRedis(redis, { now: () => clock.now });
  const app = await foreigner('app');
  const { codeOf, clock: gateClock } = await signedGate({
    issuers: [app.issuer],
    files: app.file,
    store,
  });
  clock.now += 200_000;
  gateClock.now = clock.now;
  const codes = new Set<unknown>();
  for (let i = 0; i < 50; i += 1) {
    const times = { iat: NOW, start_by: NOW + 60, exp: NOW + 360 };
    const token = await app.sign({ ...times, max_uses: 1, resume_for: 300, jti: `late ${i}` });
    codes.add(await codeOf(uri(token), from('192.0.2.1')));
  }
  await redis.stop();
  expect([...codes]).toEqual(['invalid_token']);
});

describe('external JWT: a revocation by its owner lasts', () => {
  test('for a token before nbf', async () => {
    const { app, ask, codeOf, clock } = await owned();
    const token = await app.sign({ nbf: START + 60 });
    expect(await codeOf(uri(token))).toBe('invalid_token');
    expect((await ask('POST /revoke', { form: { token } })).status).toBe(200);
    clock.now += 61_000;
    expect(await codeOf(uri(token))).toBe('invalid_token');
  });

  test('for a jti that was signed twice with different ends', async () => {
    const { app, ask, codeOf, clock } = await owned();
    const token = await app.sign({ jti: 'one', exp: START + 60 });
    const twin = await app.sign({ jti: 'one', exp: START + 600 });
    expect((await ask('POST /revoke', { form: { token } })).status).toBe(200);
    expect(await codeOf(uri(twin))).toBe('invalid_token');
    clock.now += 121_000;
    expect(await codeOf(uri(twin))).toBe('invalid_token');
  });

  test('until the end of the maximum leeway', async () => {
    const { app, ask, codeOf, clock } = await owned({}, 60);
    const token = await app.sign({ exp: START + 60.5 });
    expect((await ask('POST /revoke', { form: { token } })).status).toBe(200);
    clock.now += 120_700;
    expect(await codeOf(uri(token))).toBe('invalid_token');
  });
});

test('external JWT: a cookie with unavailable keys does not hide a valid one', async () => {
  const app = await foreigner('app', { keys: { uri: 'http://127.0.0.1:9/jwks' } });
  const { codeOf, issue } = await signedGate({ issuers: [app.issuer] });
  const { access_token: good } = await issue({ prefix: '/download/', format: 'opaque' });
  const stale = await app.sign();
  expect(await codeOf('/download/a', { 'Postern-Cookie': `${stale} ${good}` })).toBe('allow');
});

test('external JWT: a key that is too short is rejected at the start, or never accepted', async () => {
  const { generateKeyPairSync } = await import('node:crypto');
  const pair = generateKeyPairSync('rsa', { modulusLength: 1024 });
  const jwk = { ...pair.publicKey.export({ format: 'jwk' }), kid: 'short', alg: 'RS256' };
  const app = await foreigner('app');
  const files = { app: JSON.stringify({ keys: [jwk] }) };
  const opened = signedGate({ issuers: [app.issuer], files });
  const other = await newJwk('RS256', 'short');
  const outcome = await opened.then(
    async ({ codeOf }) => codeOf(uri(await app.sign({}, other))),
    () => 'refused at the start',
  );
  expect(outcome).toMatch(/^(refused at the start|invalid_token)$/);
});
