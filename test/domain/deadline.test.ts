import { expect, onTestFinished, test, vi } from 'vitest';
import { startDeadline, TooLate } from '../../service/domain/deadline.ts';

test('deadline: each decision gets its whole time, and ends in the order in which it began', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const ended: string[] = [];
  const begin = (name: string) =>
    startDeadline((late) => {
      expect(late).toBeInstanceOf(TooLate);
      ended.push(name);
    }, 1000);
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
  expect(first.end()).toBe(false);
});

test('deadline: a decision that ends in time is never late', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const onLate = vi.fn();
  const deadline = startDeadline(onLate, 1000);
  expect(deadline.end()).toBe(true);
  await vi.advanceTimersByTimeAsync(2000);
  expect(onLate).not.toHaveBeenCalled();
  expect(deadline.late).toBeUndefined();
});
