import { expect, onTestFinished, test, vi } from 'vitest';
import { createDeadlines, TooLate } from '../../service/domain/deadline.ts';

test('deadline: each decision gets its whole time, and ends in the order in which it began', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const deadlines = createDeadlines(1000);
  const ended: string[] = [];
  const begin = (name: string) =>
    deadlines.begin(performance.now(), (late) => {
      expect(late).toBeInstanceOf(TooLate);
      ended.push(name);
    });
  const first = begin('first');
  await vi.advanceTimersByTimeAsync(400);
  begin('second');
  await vi.advanceTimersByTimeAsync(599);
  expect(ended).toEqual([]);
  await vi.advanceTimersByTimeAsync(1);
  expect(ended).toEqual(['first']);
  await vi.advanceTimersByTimeAsync(399);
  expect(ended).toEqual(['first']);
  await vi.advanceTimersByTimeAsync(1);
  expect(ended).toEqual(['first', 'second']);
  expect(first.late).toBeInstanceOf(TooLate);
  expect(deadlines.end(first)).toBe(false);
});

test('deadline: a decision that ends in time is never late', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const deadlines = createDeadlines(1000);
  const onLate = vi.fn();
  const deadline = deadlines.begin(performance.now(), onLate);
  expect(deadlines.end(deadline)).toBe(true);
  await vi.advanceTimersByTimeAsync(2000);
  expect(onLate).not.toHaveBeenCalled();
  expect(deadline.late).toBeUndefined();
});
