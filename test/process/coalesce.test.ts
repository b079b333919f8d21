import { EventEmitter } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, onTestFinished, test, vi } from 'vitest';
import { coalesce, together } from '../../service/coalesce.ts';
import { watchHangup } from '../../service/process/reload.ts';
import { perMinute } from '../../service/rate-limit.ts';

/** A task whose runs end when the test says so. */
function held() {
  const ends: Array<(error?: Error) => void> = [];
  let [running, most] = [0, 0];
  const run = coalesce(async () => {
    running += 1;
    most = Math.max(most, running);
    await new Promise<void>((resolve, reject) => {
      ends.push((error) => (error ? reject(error) : resolve()));
    });
    running -= 1;
  });
  return { run, ends, most: () => most };
}

test('coalesce: calls during a run lead to one more run, and never to two at once', async () => {
  const { run, ends, most } = held();
  const first = run();
  await expect.poll(() => ends.length).toBe(1);
  // This call comes when the run has ended, and the next one has not begun.
  const chained = first.then(run);
  const others = [run(), run(), run()];
  expect(new Set(others).size).toBe(1);
  expect(ends).toHaveLength(1);
  ends[0]?.();
  await first;
  await expect.poll(() => ends.length).toBe(2);
  ends[1]?.();
  await Promise.all([chained, ...others]);
  expect([ends.length, most()]).toEqual([2, 1]);
  const again = run();
  await expect.poll(() => ends.length).toBe(3);
  ends[2]?.();
  await again;
});

test('coalesce: a run that fails rejects its callers only', async () => {
  const { run, ends } = held();
  const failing = run();
  await expect.poll(() => ends.length).toBe(1);
  const next = run();
  ends[0]?.(new Error('failed'));
  await expect(failing).rejects.toThrow('failed');
  await expect.poll(() => ends.length).toBe(2);
  ends[1]?.();
  await next;
});

test('coalesce: with gather, calls of one turn share a run, and calls during it share the next one', async () => {
  const ends: Array<(value: number) => void> = [];
  const call = coalesce(() => new Promise<number>((resolve) => void ends.push(resolve)), turn);
  const settled = async () => {
    for (let i = 0; i < 3; i += 1) await turn();
  };
  const first = Promise.all([call(), call(), call()]);
  await settled();
  const later = [call(), call()];
  await settled();
  later.push(call());
  await settled();
  // A run that has begun may not cover what the later calls wrote.
  expect(ends).toHaveLength(1);
  ends[0]?.(1);
  expect(await first).toEqual([1, 1, 1]);
  await settled();
  expect(ends).toHaveLength(2);
  ends[1]?.(2);
  expect(await Promise.all(later)).toEqual([2, 2, 2]);
});

test('perMinute: writes the first of each minute', () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const written: string[] = [];
  const write = perMinute((reason) => written.push(reason));
  for (const reason of ['a', 'b']) write(reason);
  vi.advanceTimersByTime(60_000);
  for (const reason of ['c', 'd']) write(reason);
  expect(written).toEqual(['a', 'c']);
});

test('reload: signals before the start, or during a reload, cause one reload after it, and none after stop', async () => {
  const process = new EventEmitter();
  const ends: Array<() => void> = [];
  const hangup = watchHangup(process as NodeJS.Process);
  const begun = async () => {
    await turn();
    return ends.length;
  };
  const signals = () => {
    for (let i = 0; i < 3; i += 1) process.emit('SIGHUP');
  };
  const reload = () => new Promise<void>((resolve) => ends.push(resolve));
  watchHangup(new EventEmitter() as NodeJS.Process).start(reload);
  signals();
  expect(await begun()).toBe(0);
  hangup.start(reload);
  expect(await begun()).toBe(1);
  signals();
  expect(await begun()).toBe(1);
  ends[0]?.();
  expect(await begun()).toBe(2);
  ends[1]?.();
  expect(await begun()).toBe(2);
  signals();
  expect(await begun()).toBe(3);
  signals();
  hangup.stop();
  ends[2]?.();
  signals();
  expect(await begun()).toBe(3);
});

test('together: the items of one turn are handled in calls of at most `max`, each with its own result', async () => {
  const calls: number[][] = [];
  const root = together<number, number>(
    async (items) => {
      calls.push([...items]);
      if (items.includes(0)) throw new Error('no call');
      return items.map((item) => (item < 0 ? new Error(`${item}`) : Math.sqrt(item)));
    },
    10,
    (item) => (item > 10 ? 11 : 3),
  );
  const done = await Promise.allSettled([4, -1, 9, 1, 121, 16].map(root));
  // 121 is larger than the maximum.
  expect(calls).toEqual([[4, -1, 9], [1], [121], [16]]);
  expect(done).toMatchObject([
    ...[{ value: 2 }, { reason: new Error('-1') }, { value: 3 }, { value: 1 }, { value: 11 }],
    { value: 4 },
  ]);
  await turn();
  // A call that fails rejects its items only.
  const failing = Promise.allSettled([root(9), root(0)]);
  await turn();
  expect(await root(36)).toBe(6);
  const reason = new Error('no call');
  expect(await failing).toMatchObject([{ reason }, { reason }]);
});
