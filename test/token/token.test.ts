import { expect, test } from 'vitest';
import {
  createRandomText,
  digest,
  isToken,
  isTokenId,
  newToken,
  tokenId,
} from '../../service/token/token.ts';
import { identify } from '../../service/token/uses.ts';

test('token: ps_ and 32 random characters of base64url', () => {
  const tokens = Array.from({ length: 200 }, newToken);
  for (const token of tokens) expect(token).toMatch(/^ps_[A-Za-z0-9_-]{32}$/);
  expect(new Set(tokens).size).toBe(200);
  expect(tokens.every(isToken)).toBe(true);
});

const A = 'a'.repeat(31);

test.each([
  ...['', 'ps_', `ps_${A}`, `ps_${A}aa`, `PS_${A}a`, `ps-${A}a`, `ps_${A}=`, `ps_${A}é`],
  ...[`ps_${A}/`, `ps_${A}a\n`, ` ps_${A}a`],
])('token: %j is rejected', (credential) => {
  expect(isToken(credential)).toBe(false);
});

test('token ID: the first 22 characters of the SHA-256 in base64url', () => {
  // printf ps_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa | openssl dgst -sha256 -binary | basenc --base64url
  expect(tokenId(`ps_${'a'.repeat(32)}`)).toBe('YnYOPYQMxy6ZGlxiN7zSNH');
  const id = tokenId(newToken());
  expect([isTokenId(id), isToken(id)]).toEqual([true, false]);
  for (const other of [newToken(), '', `${'a'.repeat(22)}\n`, `${'a'.repeat(21)}}`]) {
    expect(isTokenId(other)).toBe(false);
  }
});

/** Fills the pool with 1, 2, 3 … without end, so that each byte that is given out is known. */
function counting(size: number) {
  let next = 0;
  const pools: Buffer[] = [];
  const randomText = createRandomText((pool) => {
    pools.push(pool);
    for (let i = 0; i < pool.length; i += 1) pool[i] = ++next;
  }, size);
  const bytes = (count: number) => [...Buffer.from(randomText(count), 'base64url')];
  return { bytes, pools };
}

test('random: each byte is given out once, also after the pool is filled again', () => {
  const { bytes, pools } = counting(10);
  // The last two bytes of the first pool are too few, and are never given out.
  expect([bytes(4), bytes(4), bytes(4), bytes(6), bytes(10)]).toEqual([
    [1, 2, 3, 4],
    [5, 6, 7, 8],
    [11, 12, 13, 14],
    [15, 16, 17, 18, 19, 20],
    [21, 22, 23, 24, 25, 26, 27, 28, 29, 30],
  ]);
  expect(pools).toHaveLength(3);
});

test('random: the pool keeps no byte that was given out', () => {
  const { bytes, pools } = counting(8);
  bytes(3);
  expect([...(pools[0] ?? [])]).toEqual([0, 0, 0, 4, 5, 6, 7, 8]);
  bytes(5);
  expect([...(pools[0] ?? [])]).toEqual(Array(8).fill(0));
});

test('random: if the system has no random bytes, there is no secret, and the next call tries again', () => {
  let isBroken = true;
  const randomText = createRandomText((pool) => {
    if (isBroken) throw new Error('no entropy');
    pool.fill(7);
  }, 8);
  expect(() => randomText(4)).toThrow('no entropy');
  isBroken = false;
  expect(randomText(4)).toBe(Buffer.alloc(4, 7).toString('base64url'));
});

test('random: more bytes than the pool has are refused, not shortened', () => {
  expect(() => createRandomText(undefined, 8)(9)).toThrow('at most 8 bytes, not 9');
});

/** Secrets that differ by their number. */
const held = Array.from({ length: 40 }, (_, i) => String(i).padStart(22, 'x'));

test('uses: the first 32 different secrets are read, and a new one is first in the cookie', () => {
  const read = identify([held.slice(0, 5).join('.'), held.slice(3).join('.')].join(' '), undefined);
  expect(read.requester.cookies).toEqual(held.slice(0, 32).map(digest));
  const [secret, ...kept] = identify(held.join('.'), undefined).resumeCookie.split('.');
  expect(held).not.toContain(secret);
  expect(kept).toEqual(held.slice(0, 7));
});
