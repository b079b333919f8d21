import { expect, test } from 'vitest';
import type { Open, Operation } from './history.ts';
import { isConfirmed, isLookUp, longestOutage } from './outage.ts';

const open = (start: number, end: number, outcome: Open['outcome'], single = false): Open => {
  return { op: 'open', token: 't', file: 'a', single, requester: 'A', start, end, outcome };
};

test('outage: failures with less than a second between them are one outage', () => {
  expect(longestOutage([])).toBe(0);
  expect(longestOutage([open(0, 10, 'opened')])).toBe(0);
  const history = [
    open(900, 1_100, 'unknown'),
    open(100, 200, 'unknown'),
    open(300, 400, 'opened'),
    // Another one.
    open(5_000, 5_500, 'unknown'),
  ];
  expect(longestOutage(history)).toBe(1_000);
});

test('outage: a long request counts until its end', () => {
  const history = [
    open(0, 4_000, 'unknown'),
    open(100, 200, 'unknown'),
    open(4_900, 5_000, 'unknown'),
  ];
  expect(longestOutage(history)).toBe(5_000);
});

test('outage: revocations and requests with single-use tokens are confirmed, look-ups are not', () => {
  const times = { start: 0, end: 1 };
  const revoke: Operation = { op: 'revoke', by: 'id', tokens: ['t'], outcome: 'done', ...times };
  const kinds = [revoke, open(0, 1, 'opened', true), open(0, 1, 'opened')];
  expect(kinds.map(isConfirmed)).toEqual([true, true, false]);
  expect(kinds.map(isLookUp)).toEqual([false, false, true]);
});
