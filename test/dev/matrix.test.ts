import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { projectRoot } from '../harness/paths.ts';
import { tryRun } from '../harness/run.ts';

const script = join(projectRoot, 'dist', 'test', 'harness', 'matrix.js');
const read = (name: string) => readFile(join(projectRoot, name), 'utf8');

test('matrix: an unknown row is an error that names the rows', async () => {
  const { ok, output } = await tryRun(process.execPath, [script, 'node-18']);
  expect(ok).toBe(false);
  expect(output).toMatch(/^unknown row node-18: node-20, node-22, .*nginx, redis, valkey\n$/);
});

test('matrix: the workflow, .ci/run and docs/operate/operation.md name only rows that exist', async () => {
  const { output } = await tryRun(process.execPath, [script, 'none']);
  const rows = output.trim().split(/[:,] /).slice(1);
  const workflow = parse(await read('.github/workflows/matrix.yml'));
  const { include } = workflow.jobs.test.strategy.matrix as { include: Array<{ row: string }> };
  expect([...new Set(include.map(({ row }) => row))].sort()).toEqual([...rows].sort());
  for (const file of ['.ci/run', 'docs/operate/operation.md']) {
    const named = [...(await read(file)).matchAll(/test:matrix -- (.*)$/gm)];
    expect(named, file).toHaveLength(1);
    for (const row of named[0]?.[1]?.split(' ') ?? []) expect(rows, file).toContain(row);
  }
});
