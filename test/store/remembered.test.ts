import { expect, test } from 'vitest';
import { createRemembered } from '../../service/store/remembered.ts';
import { grantAt } from './grants.ts';

const grant = grantAt(Date.now());

function isThere(remembered: ReturnType<typeof createRemembered>, keys: readonly string[]) {
  return keys.map((key) => remembered.get(key) !== undefined);
}

test('of more than it may hold the oldest goes, and what was kept again is not old', () => {
  const remembered = createRemembered(2);
  const until = performance.now() + 60_000;
  for (const key of ['a', 'b', 'a', 'c']) remembered.keep(key, grant, until);
  expect(isThere(remembered, ['a', 'b', 'c'])).toEqual([true, false, true]);
  expect(remembered.size()).toBe(2);
});

test('so it does after some were forgotten, and after all were', () => {
  const remembered = createRemembered(2);
  const until = performance.now() + 60_000;
  for (const key of ['a', 'b', 'c']) remembered.keep(key, grant, until);
  remembered.forget('b');
  remembered.forget('c');
  for (const key of ['d', 'e', 'f']) remembered.keep(key, grant, until);
  expect(isThere(remembered, ['d', 'e', 'f'])).toEqual([false, true, true]);
  remembered.clear();
  for (const key of ['g', 'h', 'i']) remembered.keep(key, grant, until);
  expect(isThere(remembered, ['g', 'h', 'i'])).toEqual([false, true, true]);
});

test('what has ended is not there any more', () => {
  const remembered = createRemembered(2);
  remembered.keep('a', grant, performance.now());
  expect(remembered.get('a')).toBeUndefined();
});

test('letting the oldest go costs the same however many there are', () => {
  const few = secondsToReplace(1_000);
  expect(secondsToReplace(270_000)).toBeLessThan(15 * few);
});

function secondsToReplace(most: number): number {
  const remembered = createRemembered(most);
  for (let i = 0; i < most; i += 1) remembered.keep(`${i}`, grant, 0);
  const began = performance.now();
  for (let i = most; i < most + 100_000; i += 1) remembered.keep(`${i}`, grant, 0);
  return (performance.now() - began) / 1000;
}
