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

const sets = readdirSync(join(projectRoot, 'dev/packages')).map((set) => `dev/packages/${set}`);
const folders = ['bench', 'dev', ...sets];
const read = <T>(...names: string[]) => JSON.parse(readFileSync(join(...names), 'utf8')) as T;

test.each(folders)('%s/package.json has exact versions, the same in its lock file', (folder) => {
  const { dependencies } = read<Manifest>(projectRoot, folder, 'package.json');
  for (const version of Object.values(dependencies)) expect(version).toMatch(/^\d+\.\d+\.\d+$/);
  const { packages } = read<Lock>(projectRoot, folder, 'package-lock.json');
  expect(packages['']?.dependencies).toEqual(dependencies);
});

test.each(['.', ...folders])(
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

const program = (name: string) => join(projectRoot, 'dist', 'test', 'harness', name);

test('matrix: the workflow names each row', async () => {
  const { output } = await tryRun(process.execPath, [program('matrix.js'), 'none']);
  const rows = output.trim().split(/[:,] /).slice(1);
  const workflow = parse(textOf('.github/workflows/matrix.yml'));
  const { include } = workflow.jobs.test.strategy.matrix as { include: Array<{ row: string }> };
  expect([...new Set(include.map(({ row }) => row))].sort()).toEqual([...rows].sort());
});

test('test:all: .ci/run runs each part, as an ordinary user or after it', async () => {
  const { output } = await tryRun(process.execPath, [program('all.js'), 'none']);
  const parts = output.trim().split(/[:,] /).slice(-15);
  const [, named = ''] = /test:all -- ([\w ]+)'/.exec(textOf('.ci/run')) ?? [];
  expect(parts).toEqual(expect.arrayContaining(named.split(' ')));
  expect(textOf('.ci/run')).toMatch(new RegExp(`^npm run test:all -- --not ${named}$`, 'm'));
});
