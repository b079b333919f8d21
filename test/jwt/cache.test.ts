import { SignJWT } from 'jose';
import { describe, expect, test } from 'vitest';
import { OWN_AUDIENCE } from '../../service/jwt/claims.ts';
import { createOwnKeys, type OwnKeys } from '../../service/jwt/keys.ts';
import { createCache, createVerify } from '../../service/jwt/verify.ts';
import { createMounts } from '../../service/paths/mount.ts';
import { jwksText } from '../support/jwt/issuers.ts';
import { mount } from '../support/postern.ts';

const START = 1_800_000_000;
const ISSUER = 'https://files.example';

/** Postern's own keys, with a count of look-ups: a cached token needs none. */
async function opened() {
  const keysOfFile = await createOwnKeys(await jwksText('EdDSA'));
  const clock = { now: START * 1000 };
  const state = { looked: 0 };
  const keys: OwnKeys = {
    ...keysOfFile,
    async find(header) {
      state.looked += 1;
      return keysOfFile.find(header);
    },
  };
  const verify = createVerify({
    own: { issuer: ISSUER, keys },
    issuers: [],
    mounts: createMounts([mount('/download/', '/protected/')]),
    leeway: 5,
    now: () => clock.now,
  });
  const { kid, sign } = keysOfFile.first;
  const times = { iat: START, nbf: START, exp: START + 120 };
  const grant = { client_id: 'web', mount: '/download/', path: '/download/a', revocable: false };
  const own = { iss: ISSUER, aud: OWN_AUDIENCE, jti: 'one', ...times, ...grant };
  const token = (claims: object = {}) =>
    new SignJWT({ ...own, ...claims })
      .setProtectedHeader({ alg: 'EdDSA', kid, typ: 'postern+jwt' })
      .sign(sign as NonNullable<typeof sign>);
  return { clock, state, verify, token };
}

test('JWT cache: a valid token is verified once', async () => {
  const { verify, token, state } = await opened();
  const one = await token();
  const first = await verify(one);
  expect(first).toMatchObject({ recorded: 'never', grant: { covers: '/download/a' } });
  for (let i = 0; i < 5; i += 1) expect(await verify(one)).toEqual(first);
  expect(state.looked).toBe(1);
});

test('JWT cache: an invalid token is verified each time, also if it differs from a cached one in its signature', async () => {
  const { verify, token, state } = await opened();
  const one = await token();
  await verify(one);
  const bad = `${one.slice(0, -10)}AAAAAAAAAA`;
  for (let i = 0; i < 3; i += 1) expect(await verify(bad)).toHaveProperty('reason');
  expect(state.looked).toBe(4);
});

test('JWT cache: a token that is verified only to be revoked is not cached', async () => {
  const { verify, token } = await opened();
  const later = await token({ nbf: START + 60 });
  expect(await verify(later, 'revoking')).toMatchObject({ recorded: 'never' });
  expect(await verify(later)).toMatchObject({ reason: 'nbf: is later than now' });
});

test('JWT cache: a token ends at exp', async () => {
  const { verify, token, clock, state } = await opened();
  const one = await token({ exp: START + 10 });
  expect(await verify(one)).toHaveProperty('recorded');
  clock.now += 9_999;
  expect(await verify(one)).toHaveProperty('recorded');
  clock.now += 1;
  expect(await verify(one)).toHaveProperty('reason');
  // The entry does not come back if the clock is set back.
  const { looked } = state;
  clock.now -= 1_000;
  expect(await verify(one)).toHaveProperty('recorded');
  expect(state.looked).toBe(looked + 1);
});

test('JWT cache: a token is verified again every five minutes, however often it is used', async () => {
  const { verify, token, clock, state } = await opened();
  const one = await token({ exp: START + 3600 });
  for (const [wait, looked] of [
    [0, 1],
    [299_999, 1],
    [1, 2],
    [299_999, 2],
    [1, 3],
  ] as const) {
    clock.now += wait;
    expect(await verify(one)).toHaveProperty('recorded');
    expect(state.looked).toBe(looked);
  }
});

describe('entries', () => {
  const MOST = 10_000;
  const fresh = () => createCache<string>(() => START * 1000);
  const later = (START + 3600) * 1000;

  test('JWT cache: at most 10,000 entries, and the oldest is removed', () => {
    const memory = fresh();
    for (let i = 0; i < MOST; i += 1) memory.set(`${i}`, `of ${i}`, later);
    for (const i of [0, 1, MOST - 1]) expect(memory.get(`${i}`)).toBe(`of ${i}`);
    memory.set('more', 'of more', later);
    expect(memory.get('0')).toBeUndefined();
    for (const name of ['1', `${MOST - 1}`, 'more']) expect(memory.get(name)).toBe(`of ${name}`);
  });

  test('JWT cache: a known token removes no other entry', () => {
    const memory = fresh();
    for (let i = 0; i < MOST; i += 1) memory.set(`${i}`, `of ${i}`, later);
    // Many simultaneous requests with a new token do this.
    for (let i = 0; i < 100; i += 1) memory.set('9', 'again', later);
    for (const i of [0, 1, 2, 99]) expect(memory.get(`${i}`)).toBe(`of ${i}`);
    // It is now the newest entry.
    for (let i = 0; i < MOST - 1; i += 1) memory.set(`new ${i}`, '', later);
    expect(memory.get('9')).toBe('again');
    memory.set('last', '', later);
    expect(memory.get('9')).toBeUndefined();
  });
});
