import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { inPieces, nextTurn } from '../service/pieces.ts';

test('pieces: long requests alternate in order of arrival, one piece in each turn of the event loop', async () => {
  const order: string[] = [];
  const work = async (name: string, pieces: number) => {
    for (let i = 0; i < pieces; i += 1) {
      await nextTurn();
      order.push(name);
    }
  };
  const works = [work('a', 3), work('b', 1), work('c', 2)];
  for (let turns = 1; turns <= 6; turns += 1) {
    await turn();
    expect(order.length).toBeLessThanOrEqual(turns);
  }
  await Promise.all(works);
  expect(order.join('')).toBe('abcaca');
});

test('pieces: other requests have turns while many items are worked on', async () => {
  let turns = 0;
  let isDone = false;
  const others = () => {
    turns += 1;
    if (!isDone) setImmediate(others);
  };
  setImmediate(others);
  const pieces: number[] = [];
  await inPieces(Array(1000).keys(), (piece) => pieces.push(piece.length));
  isDone = true;
  expect(turns).toBeGreaterThanOrEqual(pieces.length);
  expect([Math.max(...pieces), pieces.reduce((sum, length) => sum + length)]).toEqual([26, 1000]);
});
