import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { projectRoot, textOf } from '../harness/paths.ts';
import { tryRun } from '../harness/run.ts';

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
}

interface Package extends Partial<Manifest> {
  readonly integrity?: string;
  readonly resolved?: string;
}

interface Lock {
  readonly packages: Readonly<Record<string, Package>>;
}

const sets = join(projectRoot, 'dev', 'packages');
const read = <T>(...names: string[]) => JSON.parse(readFileSync(join(...names), 'utf8')) as T;

test.each(readdirSync(sets))(
  'dev/packages/%s has exact versions, the same in its lock file',
  (set) => {
    const { dependencies } = read<Manifest>(sets, set, 'package.json');
    for (const version of Object.values(dependencies)) expect(version).toMatch(/^\d+\.\d+\.\d+$/);
    const { packages } = read<Lock>(sets, set, 'package-lock.json');
    expect(packages['']?.dependencies).toEqual(dependencies);
  },
);

test.each(['.', ...readdirSync(sets).map((set) => join('dev', 'packages', set))])(
  '%s/package-lock.json has the hash of each package, and names no other registry than the public one',
  (folder) => {
    const { packages } = read<Lock>(projectRoot, folder, 'package-lock.json');
    const { '': _, ...others } = packages;
    expect(Object.keys(others).length).toBeGreaterThan(1);
    for (const [name, { integrity, resolved }] of Object.entries(others)) {
      expect(integrity, name).toMatch(/^sha512-/);
      expect(resolved ?? 'https://registry.npmjs.org/').toMatch(
        /^https:\/\/registry\.npmjs\.org\//,
      );
    }
  },
);

const script = join(projectRoot, 'dist', 'test', 'harness', 'matrix.js');

test('matrix: the workflow and .ci/run name only rows that exist', async () => {
  const { output } = await tryRun(process.execPath, [script, 'none']);
  const rows = output.trim().split(/[:,] /).slice(1);
  const workflow = parse(textOf('.github/workflows/matrix.yml'));
  const { include } = workflow.jobs.test.strategy.matrix as { include: Array<{ row: string }> };
  expect([...new Set(include.map(({ row }) => row))].sort()).toEqual([...rows].sort());
  const named = [...textOf('.ci/run').matchAll(/test:matrix -- (.*)$/gm)];
  expect(named).toHaveLength(1);
  for (const row of named[0]?.[1]?.split(' ') ?? []) expect(rows).toContain(row);
});
