import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createQueue, Full, inPieces, nextTurn, type Place } from '../../service/token/queue.ts';

/** Requests of two or three pieces, and the order of their pieces. */
function createPieces(max = 100) {
  const enqueue = createQueue(max);
  const order: string[] = [];
  return {
    order,
    add: (name: string, keys: readonly string[], pieces: number) =>
      enqueue(keys, async (place) => {
        for (let i = 0; i < pieces; i += 1) {
          await place.turn();
          order.push(name);
        }
      }),
  };
}

test('queue: the pieces of two clients alternate, and a client finishes its oldest request first', async () => {
  const { add, order } = createPieces();
  await Promise.all([
    add('a1', ['a'], 4),
    add('a2', ['a'], 2),
    add('b1', ['b'], 2),
    add('b2', ['b'], 1),
  ]);
  expect(order.join(' ')).toBe('a1 b1 a1 b1 a1 b2 a1 a2 a2');
});

test('queue: clients that come again and again do not keep out another one', async () => {
  const { add, order } = createPieces();
  const again = async (name: string) => {
    for (let i = 0; i < 20; i += 1) await add(name, [name], 1);
  };
  await Promise.all([again('b'), again('c'), add('a', ['a'], 10)]);
  // Each client has one turn of three.
  for (let i = 0; i < 30; i += 3) {
    expect(order.slice(i, i + 3).toSorted()).toEqual(['a', 'b', 'c']);
  }
});

test('queue: requests of many clients with the same second key do not delay one with another', async () => {
  const { add, order } = createPieces();
  await Promise.all([
    add('a', ['a', 'token'], 1),
    add('b', ['b', 'token'], 1).then(() => add('e', ['e', 'other'], 1)),
    add('c', ['c', 'token'], 1),
    add('d', ['d', 'token'], 1),
  ]);
  expect(order.join(' ')).toBe('a b e c d');
});

test('queue: work that is done alone lets no other piece begin, also if it fails', async () => {
  const enqueue = createQueue(10);
  const running: string[] = [];
  let most = 0;
  const work = (name: string) =>
    enqueue([name], (place) =>
      place.alone(async () => {
        running.push(name);
        most = Math.max(most, running.length);
        await turn();
        await turn();
        running.pop();
        if (name === 'broken') throw new Error('broken');
        return name;
      }),
    );
  const done = await Promise.allSettled([work('broken'), work('b'), work('c')]);
  expect(done.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled']);
  expect(most).toBe(1);
});

/** Places that are held until the test ends them. `result` says which requests were refused. */
function createHolding(max: number) {
  const enqueue = createQueue(max);
  const result = new Map<string, string>();
  const held = new Map<string, { readonly place: Place; readonly end: () => void }>();
  return {
    held,
    add(name: string, keys: readonly string[], size = 1): void {
      enqueue(
        keys,
        (place) =>
          place.wait(new Promise<void>((end) => held.set(name, { place, end }))).then(() => 'done'),
        size,
      )
        .catch((error) => (error instanceof Full ? 'full' : String(error)))
        .then((end) => result.set(name, end));
    },
    async full(): Promise<string[]> {
      await turn();
      return [...result].flatMap(([name, end]) => (end === 'full' ? [name] : []));
    },
  };
}

test('queue: a newcomer gets the newest place of the key that holds most, until both hold the same', async () => {
  const { add, full } = createHolding(4);
  for (const name of ['a1', 'a2', 'a3', 'a4']) add(name, ['a']);
  add('a5', ['a']);
  expect(await full()).toEqual(['a5']);
  add('b1', ['b']);
  expect(await full()).toEqual(['a5', 'a4']);
  add('b2', ['b']);
  expect(await full()).toEqual(['a5', 'a4', 'a3']);
  add('b3', ['b']);
  expect(await full()).toEqual(['a5', 'a4', 'a3', 'b3']);
});

test('queue: a place that becomes free is not wasted', async () => {
  const { add, full, held } = createHolding(2);
  add('a1', ['a']);
  add('a2', ['a']);
  held.get('a1')?.end();
  await turn();
  add('a3', ['a']);
  expect(await full()).toEqual([]);
});

test('queue: a request that works or that has changed something keeps its place', async () => {
  const enqueue = createQueue(2);
  const changed = enqueue(['a'], async (place) => {
    await place.keep();
    return place.wait(new Promise<string>((resolve) => setTimeout(() => resolve('kept'), 1)));
  });
  let end = () => {};
  const working = enqueue(['a'], (place) =>
    place.alone(() => new Promise<string>((resolve) => (end = () => resolve('done')))),
  );
  await turn();
  await expect(enqueue(['b'], async () => {})).rejects.toThrow(Full);
  end();
  expect(await Promise.all([working, changed])).toEqual(['done', 'kept']);
});

test('queue: a key keeps at most half of what the others do not keep, and waits for more', async () => {
  const enqueue = createQueue(8);
  const kept = new Map<string, () => void>();
  const full: string[] = [];
  const all: Array<Promise<unknown>> = [];
  function add(name: string): void {
    const changed = enqueue([name.charAt(0)], async (place) => {
      await place.keep();
      await place.wait(new Promise<void>((end) => kept.set(name, end)));
    });
    all.push(changed.catch(() => full.push(name)));
  }
  const settled = async () => {
    for (let i = 0; i < 20; i += 1) await turn();
    return [...kept.keys()].join(' ');
  };
  for (let i = 1; i <= 8; i += 1) add(`a${i}`);
  expect(await settled()).toBe('a1 a2 a3 a4');
  for (let i = 1; i <= 4; i += 1) add(`b${i}`);
  expect(await settled()).toBe('a1 a2 a3 a4 b1 b2');
  add('c1');
  expect(await settled()).toBe('a1 a2 a3 a4 b1 b2 c1');
  expect(full).toEqual(['a8', 'a7', 'a6', 'a5', 'b4']);
  kept.get('a1')?.();
  kept.get('b1')?.();
  expect(await settled()).toBe('a1 a2 a3 a4 b1 b2 c1 b3');
  for (const end of kept.values()) end();
  await Promise.all(all);
});

test('queue: a place counts the size that it holds', async () => {
  const { add, full, held } = createHolding(10);
  add('a1', ['a'], 0);
  add('a2', ['a'], 0);
  add('b1', ['b'], 0);
  held.get('a1')?.place.hold(4);
  held.get('a2')?.place.hold(4);
  held.get('b1')?.place.hold(2);
  expect(await full()).toEqual([]);
  // The newest place of the key that holds most, also if an older one of the same key grows.
  held.get('b1')?.place.hold(1);
  expect(await full()).toEqual(['a2']);
  expect(() => held.get('a2')?.place.hold(1)).toThrow(Full);
  expect(held.get('a2')?.place.isTaken).toBe(true);
  expect(() => held.get('b1')?.place.hold(4)).toThrow(Full);
});

test('queue: a request whose place was taken gets no turn', async () => {
  const enqueue = createQueue(2);
  const turns: string[] = [];
  const ask = (name: string, key: string) =>
    enqueue([key], async (place) => {
      await place.turn();
      turns.push(name);
    });
  const [, a2, b] = await Promise.allSettled([ask('a1', 'a'), ask('a2', 'a'), ask('b', 'b')]);
  expect([a2.status, b.status]).toEqual(['rejected', 'fulfilled']);
  expect(turns).toEqual(['a1', 'b']);
});

test('pieces: are cut by the number and by the bytes of their items', async () => {
  const lengths = async (items: readonly string[]) => {
    const pieces: number[] = [];
    const work = (piece: readonly string[]) => pieces.push(piece.length);
    await inPieces(items, nextTurn, work, ({ length }) => length);
    return pieces;
  };
  expect(await lengths([])).toEqual([]);
  expect(await lengths(Array(60).fill(''))).toEqual([26, 26, 8]);
  expect(await lengths(Array(5).fill('x'.repeat(15_700)))).toEqual([2, 2, 1]);
});
