import { expect, test } from 'vitest';
import { createProgress } from '../../common/terminal.ts';

function terminal(isTTY: boolean) {
  const written: string[] = [];
  return { isTTY, written, write: (text: string) => written.push(text) };
}

test('progress: on a terminal one line changes, ten times per second at most, and is cleared at the end', () => {
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

test('progress: without progress nothing is written', () => {
  const stream = terminal(true);
  createProgress(stream).end();
  expect(stream.written).toEqual([]);
});

test('progress: nothing is written if the stream is not a terminal', () => {
  const stream = terminal(false);
  const progress = createProgress(stream);
  progress.show('1 issued');
  progress.end();
  expect(stream.written).toEqual([]);
});
