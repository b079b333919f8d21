import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { projectRoot } from '../harness/paths.ts';

const FOLDER = join(projectRoot, 'integrations');
const MAX_README_WORDS = 600;

const read = (...path: string[]) => readFileSync(join(FOLDER, ...path), 'utf8');
const { version } = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8'));

const PACKAGES = readdirSync(FOLDER).filter((name) => name !== 'examples');

describe.each(PACKAGES)('integrations/%s', (name) => {
  test(`has a README of at most ${MAX_README_WORDS} words, with versions and license`, () => {
    const readme = read(name, 'README.md');
    const words = readme.split(/\s+/).filter((word) => word !== '');
    expect(words.length).toBeLessThanOrEqual(MAX_README_WORDS);
    expect(readme).toMatch(/^## Versions$/m);
    expect(readme).toContain('MIT');
  });

  test('has a changelog', () => {
    expect(read(name, 'CHANGELOG.md')).toMatch(/^## \[Unreleased\]$/m);
  });

  const gem = readdirSync(join(FOLDER, name)).find((file) => file.endsWith('.gemspec'));
  test.runIf(gem)('has the version of Postern in its gemspec', () => {
    expect(read(name, gem as string)).toContain(`spec.version = "${version}"`);
  });

  test.runIf(existsSync(join(FOLDER, name, 'LICENSE')))('has the license of Postern', () => {
    expect(read(name, 'LICENSE')).toBe(readFileSync(join(projectRoot, 'LICENSE'), 'utf8'));
  });

  test.runIf(existsSync(join(FOLDER, name, 'pyproject.toml')))('has the version of Postern', () => {
    const text = read(name, 'pyproject.toml');
    expect(text).toContain(`\nversion = "${version}"\n`);
    // A package that depends on another one of this project.
    for (const [, pinned] of text.matchAll(/==([\d.]+)/g)) expect(pinned).toBe(version);
  });
});
