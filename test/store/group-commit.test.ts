import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { grouped } from '../../service/store/redis/replicas.ts';

/** Until a run that may begin has begun. */
async function settled(): Promise<void> {
  for (let i = 0; i < 3; i += 1) await turn();
}

/** A run ends when the test says so. */
function controlled() {
  const runs: Array<{ resolve(value: number): void; reject(error: Error): void }> = [];
  const call = grouped(() => {
    return new Promise<number>((resolve, reject) => void runs.push({ resolve, reject }));
  });
  return { runs, call };
}

test('group commit: calls of one turn share a run', async () => {
  const { runs, call } = controlled();
  const calls = Promise.all([call(), call(), call()]);
  await settled();
  expect(runs).toHaveLength(1);
  runs[0]?.resolve(7);
  expect(await calls).toEqual([7, 7, 7]);
});

test('group commit: calls that arrive during a run share the next one, which starts after it', async () => {
  const { runs, call } = controlled();
  const first = call();
  await settled();
  const later = [call(), call()];
  await settled();
  later.push(call());
  await settled();
  // A run that has begun may not cover what these calls wrote.
  expect(runs).toHaveLength(1);
  runs[0]?.resolve(1);
  expect(await first).toBe(1);
  await settled();
  expect(runs).toHaveLength(2);
  runs[1]?.resolve(2);
  expect(await Promise.all(later)).toEqual([2, 2, 2]);
});

test('group commit: a run that fails fails its own calls, and the next one starts', async () => {
  const { runs, call } = controlled();
  const first = [call(), call()];
  await settled();
  const second = call();
  runs[0]?.reject(new Error('lost'));
  for (const one of first) await expect(one).rejects.toThrow('lost');
  await settled();
  expect(runs).toHaveLength(2);
  runs[1]?.resolve(2);
  expect(await second).toBe(2);
});
