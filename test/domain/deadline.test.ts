import { expect, onTestFinished, test, vi } from 'vitest';
import { startDeadline, TooLate } from '../../service/decide/deadline.ts';

test('deadline: each decision gets its whole time, and ends in the order in which it began', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const ended: string[] = [];
  const begin = (name: string) =>
    startDeadline(
      performance.now(),
      (late) => {
        expect(late).toBeInstanceOf(TooLate);
        ended.push(name);
      },
      1000,
    );
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
  expect(first.end()).toBe(false);
});

test('deadline: a decision that ends in time is never late', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const onLate = vi.fn();
  const deadline = startDeadline(performance.now(), onLate, 1000);
  const another = startDeadline(performance.now(), onLate, 1000);
  expect(deadline.end()).toBe(true);
  expect(another.end()).toBe(true);
  await vi.advanceTimersByTimeAsync(2000);
  expect(onLate).not.toHaveBeenCalled();
  expect(deadline.late).toBeUndefined();
});

test('deadline: of many decisions, exactly those that do not end in time are late, once', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const all = Array.from({ length: 300 }, (_, i) => ({ endsAfter: (i * 7919) % 2000, late: 0 }));
  all.forEach((one, began) => {
    setTimeout(() => {
      const deadline = startDeadline(performance.now(), () => one.late++, 1000);
      setTimeout(() => expect(deadline.end()).toBe(one.late === 0), one.endsAfter);
    }, began);
  });
  await vi.advanceTimersByTimeAsync(5000);
  for (const { endsAfter, late } of all) expect(late).toBe(endsAfter < 1000 ? 0 : 1);
});
