import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { jwtId } from '../../../service/token/token.ts';
import { startRedis } from '../../harness/redis.ts';
import { foreigner, from, uri } from '../../support/jwt/issuers.ts';
import { signedGate, trusting } from '../../support/jwt/signed.ts';
import { openRedis, tell } from '../../support/store/open-redis.ts';

// What the store remembers of a token of another issuer, if the clocks differ. The clock of Redis is real.

const LEEWAY = 60;
const TEN_MINUTES = 600_000;

const redis = await startRedis();
afterAll(() => redis.stop());
let app: Awaited<ReturnType<typeof foreigner>>;
beforeEach(async () => {
  app = await foreigner('app', { client: 'test', maxExpiresIn: 3600 });
});

/** An instance whose clock is this many milliseconds ahead. */
async function instance(ahead: number) {
  const now = () => Date.now() + ahead;
  const store = await openRedis(redis, { now });
  const trusted = { issuers: [app.issuer], files: app.file };
  const gate = await signedGate({ ...trusted, store, leeway: LEEWAY });
  Object.defineProperty(gate.clock, 'now', { get: now });
  return gate;
}

/** Seconds since the epoch, this many seconds from now. */
const at = (seconds: number) => Math.floor(Date.now() / 1000) + seconds;

/** The time until which Redis remembers a token, in milliseconds since the epoch; -1: without end. */
async function rememberedUntil(jti: string): Promise<number> {
  const key = `postern:grant:{${jwtId(app.issuer.issuer, jti)}}`;
  return Number((await tell(redis, `PEXPIRETIME ${key}`)).slice(1));
}

/** The last moment at which an instance accepts a token, by a clock ten minutes late. */
const lastUse = (exp: number) => (exp + LEEWAY) * 1000 + TEN_MINUTES;

test('JWT, external: a used-up token stays used up while any instance accepts it', async () => {
  const [ahead, right] = [await instance(70_000), await instance(0)];
  const exp = at(75);
  const token = await app.sign({ iat: at(0), exp, max_uses: 1, jti: 'used up' });
  expect(await ahead.codeOf(uri(token), from('192.0.2.1'))).toBe('allow');
  expect(await right.codeOf(uri(token), from('192.0.2.2'))).toBe('invalid_token');
  expect(await rememberedUntil('used up')).toBeGreaterThanOrEqual(lastUse(exp));
});

test('JWT, external: an instance with a late clock does not count uses again that Redis may have lost', async () => {
  const late = await instance(-3 * TEN_MINUTES);
  const exp = at(-25 * 60);
  const token = await app.sign({ iat: exp - 1800, exp, max_uses: 1, jti: 'late' });
  expect(await late.codeOf(uri(token), from('192.0.2.1'))).toBe('invalid_token');
});

test('JWT, external: a revoked token stays revoked while any instance accepts it', async () => {
  const ahead = await instance(300_000);
  const exp = at(400);
  const token = await app.sign({ iat: at(0), exp, jti: 'revoked' });
  expect((await ahead.ask('POST /revoke', { form: { token } })).status).toBe(200);
  expect(await rememberedUntil('revoked')).toBeGreaterThanOrEqual(lastUse(exp));

  const counted = await app.sign({ iat: at(0), exp, max_uses: 1, jti: 'by id' });
  expect(await ahead.codeOf(uri(counted), from('192.0.2.1'))).toBe('allow');
  const id = jwtId(app.issuer.issuer, 'by id');
  expect((await ahead.ask(`DELETE /tokens/${id}`)).status).toBe(204);
  expect(await rememberedUntil('by id')).toBeGreaterThanOrEqual(lastUse(exp));
});

describe.each([
  ['ten minutes ahead', TEN_MINUTES],
  ['ten minutes late', -TEN_MINUTES],
])('revoke: an instance whose clock is %s revokes what the others accept', (_, difference) => {
  test('a token of another issuer', async () => {
    const [right, other] = [await instance(0), await instance(difference)];
    const token = await app.sign({ iat: at(0), exp: at(60), jti: `other ${difference}` });
    expect((await other.ask('POST /revoke', { form: { token } })).status).toBe(200);
    expect(await right.codeOf(uri(token))).toBe('invalid_token');
  });

  test("Postern's own token", async () => {
    const { clock, issue, ask, codeOf } = await signedGate({ store: await openRedis(redis) });
    clock.now = Date.now();
    const token = await issue({ path: '/download/a' });
    const kept = await issue({ path: '/download/a' });
    clock.now += difference;
    expect((await ask('POST /revoke', { form: { token: token.access_token } })).status).toBe(200);
    clock.now = Date.now();
    expect(await codeOf(token.url)).toBe('invalid_token');
    expect(await codeOf(kept.url)).toBe('allow');
  });
});

/** Redis forgets by its own clock, which is the real one. */
const NOW = Math.floor(Date.now() / 1000);

test('JWT, external: times with a fraction, with Redis: the token is used and revoked', async () => {
  const store = await openRedis(redis, { now: () => NOW * 1000 });
  const { app, ask, codeOf, clock } = await trusting({ client: 'test' }, { store });
  clock.now = NOW * 1000;
  const times = { iat: NOW - 0.123457, exp: NOW + 99.876543 };
  const [used, token] = [await app.sign({ ...times, max_uses: 1 }), await app.sign(times)];
  expect(await codeOf(uri(used), from('192.0.2.1'))).toBe('allow');
  expect((await ask('POST /revoke', { form: { token } })).status).toBe(200);
  expect(await codeOf(uri(token))).toBe('invalid_token');
});

test('JWT, external: with Redis no requester starts after start_by', async () => {
  const clock = { now: NOW * 1000 };
  const store = await openRedis(redis, { now: () => clock.now });
  const { app, codeOf, clock: gateClock } = await trusting({}, { store });
  clock.now += 200_000;
  gateClock.now = clock.now;
  const codes = new Set<unknown>();
  for (let i = 0; i < 5; i += 1) {
    const times = { iat: NOW, start_by: NOW + 60, exp: NOW + 360 };
    const token = await app.sign({ ...times, max_uses: 1, resume_for: 300, jti: `late ${i}` });
    codes.add(await codeOf(uri(token), from('192.0.2.1')));
  }
  expect([...codes]).toEqual(['invalid_token']);
});
