import { LineCounter, parseDocument } from 'yaml';
import { readEntry } from './entry.ts';
import type { Faults } from './fault.ts';
import type { Given } from './given.ts';
import { FILE_ONLY, SETTINGS, type Settings } from './names.ts';
import { phraseFor } from './yaml-phrase.ts';
import { toGiven } from './yaml-tree.ts';

/** Gives a file's text, or throws as `node:fs` does. */
export type ReadFile = (path: string) => string;

const WHY: Readonly<Record<string, string>> = {
  ENOENT: 'there is none',
  EACCES: 'this user may not read it',
  EISDIR: 'it is a folder',
};

/** The settings in the file that `config` names; undefined, with faults, if it cannot be read. */
export function readSettings(config: Given, readFile: ReadFile, faults: Faults) {
  const path = String(config.value);
  let text: string;
  try {
    text = readFile(path);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    return faults.add(
      config,
      `the path of a file that can be read: ${WHY[code] ?? 'it cannot be'}`,
    );
  }
  return parse(path, text, faults);
}

function parse(path: string, text: string, faults: Faults): Settings | undefined {
  const lines = new LineCounter();
  // Not prettyErrors: they quote the line, and it may hold a key.
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    stringKeys: true,
    resolveKnownTags: false,
  });
  const errors = [...document.errors, ...document.warnings];
  // After one slip the rest is guesswork, except for keys that are there twice.
  const slip = errors.find(({ code }) => code !== 'DUPLICATE_KEY');
  for (const error of errors) {
    const { code, pos } = error;
    if (error !== slip && code !== 'DUPLICATE_KEY') continue;
    const { line, col } = lines.linePos(pos[0]);
    faults.add({ field: 'the file', where: `${path}:${line}:${col}` }, phraseFor(code));
  }
  if (errors.length > 0) return undefined;

  const before = faults.all.length;
  const whereIs = (offset: number) => `${path}:${lines.linePos(offset).line}`;
  const root = toGiven(document.contents, whereIs, faults);
  if (faults.all.length > before) return undefined;
  // Empty, or nothing but comments.
  return root.value === null ? new Map() : readEntry(root, [...SETTINGS, ...FILE_ONLY], faults);
}
