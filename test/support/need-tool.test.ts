import { expect, test, vi } from 'vitest';
import { needTool } from './need-tool.ts';

const why = 'wget must be on PATH: brew install wget';

test('needTool: a test without its client is skipped with the reason', async () => {
  const skip = vi.fn<() => never>();
  await needTool('wget', { skip }, { wget: why }, '');
  expect(skip).toHaveBeenCalledExactlyOnceWith(why);
});

test('needTool: in CI a missing client is an error', async () => {
  const skip = vi.fn<() => never>();
  await expect(needTool('wget', { skip }, { wget: why }, 'true')).rejects.toThrow(why);
  expect(skip).not.toHaveBeenCalled();
});
