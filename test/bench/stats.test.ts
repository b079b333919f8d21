import { expect, test } from 'vitest';
import { median, ratio, shuffled, spread } from '../../bench/stats.ts';

test('stats: the median is the middle value, or the mean of the middle two', () => {
  expect(median([9, 1, 10])).toBe(9);
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(() => median([])).toThrow(TypeError);
});

test('stats: spread does not change its argument', () => {
  const values = [3, 1, 2];
  expect(spread(values)).toEqual({ median: 2, min: 1, max: 3 });
  expect(values).toEqual([3, 1, 2]);
});

test('stats: the ratio is taken within each round, so a slow round does not change it', () => {
  expect(ratio([50, 5, 51], [100, 10, 100])).toBe(0.5);
  expect(() => ratio([1], [1, 2])).toThrow(TypeError);
});

test('stats: shuffled returns the same items in another order and does not change the list', () => {
  const items = [1, 2, 3, 4];
  expect(shuffled(items, () => 0)).toEqual([2, 3, 4, 1]);
  expect(shuffled(items).sort()).toEqual(items);
  expect(items).toEqual([1, 2, 3, 4]);
});
