import { expect, onTestFinished, test, vi } from 'vitest';
import { createWithDeadline, TooLate } from '../../service/domain/deadline.ts';

test('deadline: each work gets its whole time, and ends in the order in which it began', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const within = createWithDeadline(1000);
  const ended: string[] = [];
  const begin = (name: string) =>
    within(performance.now(), () => new Promise(() => {})).catch((error: unknown) => {
      expect(error).toBeInstanceOf(TooLate);
      ended.push(name);
    });
  begin('first');
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
});
