import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createLogOutput } from '../../service/process/log.ts';
import { temporaryFolder } from '../harness/paths.ts';

async function started() {
  const file = join(await temporaryFolder(), 'log');
  const fd = openSync(file, 'a');
  onTestFinished(() => closeSync(fd));
  const output = createLogOutput(fd, () => expect.unreachable());
  return { output, written: () => readFileSync(file, 'utf8') };
}

test('log: a line that may not wait is written at once, after all lines before it', async () => {
  const { output, written } = await started();
  output.writeLater('allow 1\n');
  output.writeLater('allow 2\n');
  output.write('denial\n');
  // No timer is needed, and the next line waits.
  await expect.poll(written, { interval: 1 }).toBe('allow 1\nallow 2\ndenial\n');
  output.writeLater('allow 3\n');
  await new Promise((resolve) => setImmediate(resolve));
  expect(written()).toBe('allow 1\nallow 2\ndenial\n');
  expect(await output.flush(10_000)).toBe(true);
  expect(written()).toBe('allow 1\nallow 2\ndenial\nallow 3\n');
});

test('log: a denial during a write is written right after it, and no line is lost or moved', async () => {
  const { output, written } = await started();
  const lines: string[] = [];
  for (let i = 0; i < 20_000; i += 1) {
    const line = `${i} ${'x'.repeat(i % 200)}\n`;
    lines.push(line);
    if (i % 7 === 0) output.write(line);
    else output.writeLater(line);
    if (i % 1000 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  expect(await output.flush(10_000)).toBe(true);
  expect(written()).toBe(lines.join(''));
});
