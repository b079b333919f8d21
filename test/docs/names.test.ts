import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { expect, test } from 'vitest';
import { projectRoot } from '../harness/paths.ts';

const sources = (...folders: string[]) =>
  execFileSync('git', ['ls-files', '-co', '--exclude-standard', '--', ...folders], {
    cwd: projectRoot,
    encoding: 'utf8',
  })
    .split('\n')
    .filter((file) => file.endsWith('.ts'));

const PARTS = ['service', 'cli', 'doctor', 'common', 'client'];

const textOf = (file: string) => readFileSync(join(projectRoot, file), 'utf8');

const DEFINITION =
  /^export (?:declare |abstract |async )*(?:const|let|class|function\*?|interface|type|enum) (\w+)/gm;

test('names: no exported name of service/, cli/, doctor/, common/ and client/ is defined in two files', () => {
  const files = new Map<string, Set<string>>();
  for (const file of sources(...PARTS)) {
    for (const [, name = ''] of textOf(file).matchAll(DEFINITION)) {
      files.set(name, (files.get(name) ?? new Set()).add(file));
    }
  }
  expect(files.size).toBeGreaterThan(500);
  const twice = [...files].filter(([, where]) => where.size > 1);
  expect(twice.map(([name, where]) => `${name}: ${[...where].join(', ')}`)).toEqual([]);
});

/** Relative imports, also of types only. */
const IMPORT = /(?:from|import)\s*\(?\s*'(\.[^']+)'/g;

test('imports: no file imports itself through others', () => {
  const imports = new Map(
    sources(...PARTS, 'dev', 'bench', 'test').map((file) => [
      file,
      [...textOf(file).matchAll(IMPORT)].map(([, path = '']) =>
        normalize(join(dirname(file), path)),
      ),
    ]),
  );
  expect(imports.size).toBeGreaterThan(500);
  const done = new Set<string>();
  const cycles: string[] = [];
  const visit = (file: string, path: readonly string[]) => {
    if (path.includes(file)) cycles.push([...path.slice(path.indexOf(file)), file].join(' → '));
    if (done.has(file) || path.includes(file)) return;
    for (const next of imports.get(file) ?? []) visit(next, [...path, file]);
    done.add(file);
  };
  for (const file of imports.keys()) visit(file, []);
  expect(cycles).toEqual([]);
});
