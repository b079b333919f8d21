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
  expect(timeToReplace(270_000)).toBeLessThan(15 * timeToReplace(1_000));
});

/** For a thousand of them, the median: what else runs here takes its time too. */
function timeToReplace(most: number): number {
  const remembered = createRemembered(most);
  let next = 0;
  const keep = () => remembered.keep(`${next++}`, grant, 0);
  for (let i = 0; i < most; i += 1) keep();
  const taken = Array.from({ length: 100 }, () => {
    const began = performance.now();
    for (let i = 0; i < 1_000; i += 1) keep();
    return performance.now() - began;
  });
  return taken.sort((a, b) => a - b)[50] as number;
}
