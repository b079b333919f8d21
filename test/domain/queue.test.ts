import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createQueue } from '../../service/domain/queue.ts';

/** Tasks that end when the test says so, and the names of those that run. */
function createTasks(max?: number) {
  const enqueue = createQueue(max);
  const running = new Map<string, () => void>();
  return {
    running,
    add(name: string, size?: number): Promise<void> {
      const task = () => new Promise<void>((end) => running.set(name, end));
      return enqueue(task, size).finally(() => running.delete(name));
    },
    async names(): Promise<string[]> {
      for (let i = 0; i < 10; i += 1) await turn();
      return [...running.keys()];
    },
  };
}

test('queue: runs one task at a time, in order, by default', async () => {
  const { add, names, running } = createTasks();
  const all = ['a', 'b', 'c'].map((name) => add(name));
  for (const name of ['a', 'b', 'c']) {
    expect(await names()).toEqual([name]);
    running.get(name)?.();
  }
  await Promise.all(all);
});

test('queue: runs small tasks together, and a large one alone and in its turn', async () => {
  const { add, names, running } = createTasks(10);
  const sizes = { a: 4, b: 6, c: 1, large: 100, d: 1 };
  const all = Object.entries(sizes).map(([name, size]) => add(name, size));
  expect(await names()).toEqual(['a', 'b']);
  running.get('a')?.();
  expect(await names()).toEqual(['b', 'c']);
  running.get('b')?.();
  running.get('c')?.();
  expect(await names()).toEqual(['large']);
  running.get('large')?.();
  expect(await names()).toEqual(['d']);
  running.get('d')?.();
  await Promise.all(all);
});

test('queue: a task that fails does not stop the others', async () => {
  const enqueue = createQueue();
  const failed = enqueue(async () => {
    throw new Error('broken');
  });
  const next = enqueue(async () => 'done');
  await expect(failed).rejects.toThrow('broken');
  expect(await next).toBe('done');
});
