import { LineCounter, parseDocument } from 'yaml';
import { readEntry } from './entry.ts';
import type { Faults } from './fault.ts';
import type { Given } from './given.ts';
import { SETTINGS, type Settings } from './names.ts';
import { phraseFor } from './yaml-phrase.ts';
import { toGiven } from './yaml-tree.ts';

/** Gives a file's text, or throws as `node:fs` does. */
export type ReadFile = (path: string) => string;

/** The settings in the file that `config` names; undefined, with faults, if it cannot be read. */
export function readSettings(config: Given, readFile: ReadFile, faults: Faults) {
  const path = String(config.value);
  let text: string;
  try {
    text = readFile(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return faults.add(config, `the path of a file that can be read (${code ?? 'it cannot be'})`);
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
  // After one slip the rest is guesswork, except for keys that are there twice.
  const errors = [...document.errors, ...document.warnings];
  const telling = errors.filter(({ code }, index) => index === 0 || code === 'DUPLICATE_KEY');
  for (const { code, pos } of telling) {
    const { line, col } = lines.linePos(pos[0]);
    faults.add({ field: 'the file', where: `${path}:${line}:${col}` }, phraseFor(code));
  }
  if (errors.length > 0) return undefined;
  if (document.contents === null) return new Map();

  const before = faults.all.length;
  const whereIs = (offset: number) => `${path}:${lines.linePos(offset).line}`;
  const root = toGiven(document.contents, whereIs, faults);
  if (faults.all.length > before) return undefined;
  return readEntry(root, SETTINGS, faults);
}
