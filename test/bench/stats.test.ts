import { expect, test } from 'vitest';
import { median, ratios, shuffled } from '../../bench/rounds.ts';

test('stats: the median is the middle value, or the mean of the middle two', () => {
  const values = [9, 1, 10];
  expect(median(values)).toBe(9);
  expect(values).toEqual([9, 1, 10]);
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(median([])).toBeUndefined();
});

test('stats: the ratio is taken within each round, so a slow round does not change it', () => {
  expect(ratios([50, 5, 51], [100, 10, 100])).toEqual([0.5, 0.5, 0.51]);
  expect(ratios([1], [])).toEqual([]);
  expect(() => ratios([1], [1, 2])).toThrow(TypeError);
});

test('stats: shuffled returns the same items in another order and does not change the list', () => {
  const items = [1, 2, 3, 4];
  expect(shuffled(items, () => 0)).toEqual([2, 3, 4, 1]);
  expect(shuffled(items).sort()).toEqual(items);
  expect(items).toEqual([1, 2, 3, 4]);
});
