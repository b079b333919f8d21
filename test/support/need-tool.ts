import { inject, type TestContext } from 'vitest';
import type { Tool } from '../harness/find-on-path.ts';
import { findTool, type ToolName } from '../harness/tools.ts';

/** Skips the test with the reason if the program is not available. In CI the test fails. */
export async function needTool(
  name: ToolName,
  context: Pick<TestContext, 'skip'>,
  missing = inject('missingTools'),
  ci = process.env.CI,
): Promise<Tool> {
  const why = missing[name];
  return why === undefined ? findTool(name) : without(why, context, ci);
}

/** Skips the test, because the named program is missing. In CI the test fails. */
export function without(
  why: string,
  { skip }: Pick<TestContext, 'skip'>,
  ci = process.env.CI,
): never {
  if (ci) throw new Error(why);
  return skip(why);
}
