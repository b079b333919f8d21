import { expect, test } from 'vitest';
import { createProgress } from '../../cli/terminal.ts';

function terminal(isTTY: boolean) {
  const written: string[] = [];
  return { isTTY, written, write: (text: string) => written.push(text) };
}

test('on a terminal one line changes, not too often, and is taken away at the end', () => {
  const stream = terminal(true);
  let now = 0;
  const progress = createProgress(stream, () => now);
  for (now = 0; now <= 250; now += 10) progress.show(`${now} issued`);
  progress.end();
  progress.end();
  const line = (text: string) => `\r\u001b[K${text}`;
  expect(stream.written).toEqual([
    line('0 issued'),
    line('100 issued'),
    line('200 issued'),
    line(''),
  ]);
});

test('what is over at once shows nothing that would have to be taken away', () => {
  const stream = terminal(true);
  createProgress(stream).end();
  expect(stream.written).toEqual([]);
});

test('anywhere else there is nothing of it', () => {
  const stream = terminal(false);
  const progress = createProgress(stream);
  progress.show('1 issued');
  progress.end();
  expect(stream.written).toEqual([]);
});
