import { expect, onTestFinished, test, vi } from 'vitest';
import { createDeadlines, TooLate } from '../../service/decide/deadline.ts';

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
  begin('third');
  await vi.advanceTimersByTimeAsync(1000);
  expect(ended).toEqual(['first', 'second', 'third']);
  expect(first.late).toBeInstanceOf(TooLate);
  expect(deadlines.end(first)).toBe(false);
});

test('deadline: a decision that ends in time is never late', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const deadlines = createDeadlines(1000);
  const onLate = vi.fn();
  const deadline = deadlines.begin(performance.now(), onLate);
  const another = deadlines.begin(performance.now(), onLate);
  expect(deadlines.end(deadline)).toBe(true);
  expect(deadlines.end(deadline)).toBe(false);
  expect(deadlines.end(another)).toBe(true);
  await vi.advanceTimersByTimeAsync(2000);
  expect(onLate).not.toHaveBeenCalled();
  expect(deadline.late).toBeUndefined();
});

test('deadline: of many decisions, exactly those that do not end in time are late, once', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const deadlines = createDeadlines(1000);
  const all = Array.from({ length: 300 }, (_, i) => ({ endsAfter: (i * 7919) % 2000, late: 0 }));
  all.forEach((one, began) => {
    setTimeout(() => {
      const deadline = deadlines.begin(performance.now(), () => one.late++);
      setTimeout(() => expect(deadlines.end(deadline)).toBe(one.late === 0), one.endsAfter);
    }, began);
  });
  await vi.advanceTimersByTimeAsync(5000);
  for (const { endsAfter, late } of all) expect(late).toBe(endsAfter < 1000 ? 0 : 1);
});
