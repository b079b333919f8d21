import { beforeEach, expect, test } from 'vitest';
import { createCache } from '../../service/jwt/verify.ts';

const MOST = 10_000;
const FIVE_MINUTES = 300_000;

const clock = { now: 0 };
beforeEach(() => {
  clock.now = 1_800_000_000_000;
});
const fresh = () => createCache<string>(() => clock.now);
const hourFrom = (now: number) => now + 3_600_000;

test('JWT cache: an entry is found only by the same token', () => {
  const memory = fresh();
  memory.set('a', 'of a', hourFrom(clock.now));
  expect(memory.get('a')).toBe('of a');
  for (const other of ['A', 'a ', '', 'b']) expect(memory.get(other)).toBeUndefined();
});

test('JWT cache: an entry ends with its token', () => {
  const memory = fresh();
  memory.set('a', 'of a', clock.now + 1_000);
  clock.now += 999;
  expect(memory.get('a')).toBe('of a');
  clock.now += 1;
  expect(memory.get('a')).toBeUndefined();
  // It does not come back if the clock is set back.
  clock.now -= 1_000;
  expect(memory.get('a')).toBeUndefined();
});

test('JWT cache: an entry ends after five minutes, even if it is used', () => {
  const memory = fresh();
  memory.set('a', 'of a', hourFrom(clock.now));
  for (let i = 1; i < 300; i += 1) {
    clock.now += 1_000;
    expect(memory.get('a')).toBe('of a');
  }
  clock.now += 999;
  expect(memory.get('a')).toBe('of a');
  clock.now += 1;
  expect(memory.get('a')).toBeUndefined();
});

test('JWT cache: a second verification starts the five minutes again', () => {
  const memory = fresh();
  memory.set('a', 'first', hourFrom(clock.now));
  clock.now += FIVE_MINUTES - 1;
  memory.set('a', 'again', hourFrom(clock.now));
  clock.now += 1;
  expect(memory.get('a')).toBe('again');
});

test('JWT cache: at most 10,000 entries, and the oldest is removed', () => {
  const memory = fresh();
  for (let i = 0; i < MOST; i += 1) memory.set(`${i}`, `of ${i}`, hourFrom(clock.now));
  for (const i of [0, 1, MOST - 1]) expect(memory.get(`${i}`)).toBe(`of ${i}`);
  memory.set('more', 'of more', hourFrom(clock.now));
  expect(memory.get('0')).toBeUndefined();
  for (const name of ['1', `${MOST - 1}`, 'more']) expect(memory.get(name)).toBe(`of ${name}`);
});

test('JWT cache: a known token removes no other entry', () => {
  const memory = fresh();
  for (let i = 0; i < MOST; i += 1) memory.set(`${i}`, `of ${i}`, hourFrom(clock.now));
  // As with many simultaneous requests with a new token.
  for (let i = 0; i < 100; i += 1) memory.set('9', 'again', hourFrom(clock.now));
  for (const i of [0, 1, 2, 99]) expect(memory.get(`${i}`)).toBe(`of ${i}`);
  // It is now the newest entry.
  for (let i = 0; i < MOST - 1; i += 1) memory.set(`new ${i}`, '', hourFrom(clock.now));
  expect(memory.get('9')).toBe('again');
  memory.set('last', '', hourFrom(clock.now));
  expect(memory.get('9')).toBeUndefined();
});
