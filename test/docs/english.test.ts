import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { projectRoot } from '../harness/paths.ts';

/** README.md and docs/ together. Lower it when a page becomes shorter; never raise it. */
const MAX_WORDS = 61_900;
const MAX_CELL_LENGTH = 120;
/** Old or literary words. */
const AVOIDED = /\b(?:whoever|whom|anew|mend(?:s|ed)?|gladly)\b/gi;

const markdown = (folder: string) =>
  readdirSync(join(projectRoot, folder))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(folder, name));

describe.each([...markdown('.'), ...markdown('docs')])('%s', (page) => {
  const text = readFileSync(join(projectRoot, page), 'utf8');

  test(`has only table cells of one sentence, with at most ${MAX_CELL_LENGTH} characters`, () => {
    const prose = text.replace(/^ *```[\s\S]*?^ *```$/gm, '');
    const rows = prose.split('\n').filter((line) => line.startsWith('|'));
    const cells = rows.flatMap((row) => row.split(/(?<!\\)\|/).map(shown));
    expect(cells.filter((cell) => cell.length > MAX_CELL_LENGTH)).toEqual([]);
    expect(cells.filter((cell) => /[.?!] +["`*[]?[A-Z]/.test(cell))).toEqual([]);
  });

  test('has none of the words to avoid', () => expect(text.match(AVOIDED) ?? []).toEqual([]));
});

/** A cell as it is displayed: a link is its text. */
function shown(cell: string): string {
  return cell.replace(/\]\([^)]*\)/g, ']').trim();
}

test(`README.md and docs/ have at most ${MAX_WORDS} words together`, () => {
  const texts = ['README.md', ...markdown('docs')].map((page) =>
    readFileSync(join(projectRoot, page), 'utf8'),
  );
  const words = texts.flatMap((text) => text.split(/\s+/).filter((word) => word !== ''));
  expect(words.length).toBeLessThanOrEqual(MAX_WORDS);
});
