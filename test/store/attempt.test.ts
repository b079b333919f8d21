import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { createAttempt } from '../../service/store/connection/attempt.ts';

beforeEach(() => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
});

/** An attempt, and the names of the commands that were sent. */
function begun(timeoutMs = 1000) {
  const sent: string[] = [];
  const attempt = createAttempt(timeoutMs);
  attempt.begin();
  const wait = (name: string, keys = 1) =>
    attempt.wait(Array(keys).fill('key'), async () => void sent.push(name));
  return { attempt, sent, wait };
}

test('attempt: commands wait until it ends, and later ones do not', async () => {
  const { attempt, sent, wait } = begun();
  const waits = Promise.all([wait('a'), wait('b')]);
  expect(sent).toEqual([]);
  attempt.end();
  sent.push('the code that ends it');
  await waits;
  void wait('c');
  expect(sent).toEqual(['the code that ends it', 'a', 'b', 'c']);
});

test.each([
  [250, 1000],
  [100, 100],
])(
  'attempt: no command waits longer than %d ms if its time limit is %d ms',
  async (most, limit) => {
    const { sent, wait } = begun(limit);
    void wait('a');
    await vi.advanceTimersByTimeAsync(most - 1);
    void wait('b');
    expect(sent).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(sent).toEqual(['a', 'b']);
    void wait('c');
    expect(sent).toEqual(['a', 'b', 'c']);
  },
);

test('attempt: at most 1000 keys wait', () => {
  const { sent, wait } = begun();
  void wait('a', 998);
  void wait('b', 3);
  void wait('c', 2);
  void wait('d');
  expect(sent).toEqual(['b', 'd']);
});
